"""Prices by the hour from a source into a book, and out again for people and the gateway."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from governance.catalog.errors import CatalogueRefused
from governance.catalog.importing import import_catalogue
from governance.catalog.models import LanguageModel, Price
from governance.catalog.queries import price_history, prices_in_force, rate_tables
from governance.plugin import ModelFact, PriceCatalogue, PriceFact, PriceHours, TokenClass
from governance.plugin.usage import Usage
from tests.support.company import ACTOR

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEAK = datetime(2026, 11, 24, 2, tzinfo=UTC)
NIGHT = datetime(2026, 11, 24, 20, tzinfo=UTC)
HOURS = PriceHours(zone="Asia/Shanghai", weekdays=(1, 2, 3, 4, 5), windows=(("09:00", "12:00"),))


def price(usd: str, token_class: TokenClass, hours: PriceHours | None = None) -> PriceFact:
    return PriceFact(
        provider="deepseek", model="night-owl", token_class=token_class, usd_per_million=Decimal(usd), hours=hours
    )


def catalogue(*prices: PriceFact) -> PriceCatalogue:
    return PriceCatalogue(
        source="bursar-catalogue",
        snapshot_sha256=str(len(prices)),
        as_of=NOW.date(),
        models=(ModelFact(provider="deepseek", name="night-owl", title="Night owl"),),
        prices=prices,
    )


FLAT = (price("2", TokenClass.INPUT), price("4", TokenClass.OUTPUT))
BY_THE_HOUR = (
    price("1", TokenClass.INPUT),
    price("2", TokenClass.OUTPUT),
    price("2", TokenClass.INPUT, HOURS),
    price("4", TokenClass.OUTPUT, HOURS),
)


def per_token(at: datetime) -> int:
    (model,) = LanguageModel.objects.all()
    table = rate_tables(model_ids=[model.pk])[model.pk]
    return table.card_at(at).rate(Usage(input_tokens=1, output_tokens=0)).charge_nano


def test_a_flat_price_becomes_one_by_the_hour_without_touching_what_was() -> None:
    import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(*FLAT))
    changed = import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(*BY_THE_HOUR))
    assert (changed.prices_opened, changed.prices_closed, changed.refused) == (4, 2, ())
    assert [per_token(at) for at in (NOW - timedelta(days=1), PEAK, NIGHT)] == [2000, 2000, 1000]
    again = import_catalogue(actor=ACTOR, at=NIGHT, catalogue=catalogue(*BY_THE_HOUR))
    assert (again.prices_opened, again.prices_closed) == (0, 0)
    back = import_catalogue(actor=ACTOR, at=NIGHT, catalogue=catalogue(*FLAT))
    assert (back.prices_opened, back.prices_closed) == (2, 4)
    assert [per_token(at) for at in (PEAK, NIGHT - timedelta(hours=1), NIGHT)] == [2000, 1000, 2000]


def test_people_see_the_price_of_the_hour_and_every_other_one_in_the_history() -> None:
    import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(*BY_THE_HOUR))
    (model,) = LanguageModel.objects.all()
    now = {
        at: {row.token_class: row.nano_per_unit for row in prices_in_force(model_ids=[model.pk], at=at)[model.pk]}
        for at in (PEAK, NIGHT)
    }
    assert now == {PEAK: {"input": 2000, "output": 4000}, NIGHT: {"input": 1000, "output": 2000}}
    assert price_history(model_id=model.pk).count() == 4


def test_prices_of_the_same_hours_never_overlap() -> None:
    import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(*BY_THE_HOUR))
    (kept,) = Price.objects.filter(token_class="input").exclude(hours="")
    kept.pk = None
    with pytest.raises(IntegrityError, match="prices_of_a_class_do_not_overlap"), transaction.atomic():
        kept.save(force_insert=True)


def test_hours_that_cannot_be_are_refused_with_the_models_name() -> None:
    wrong = PriceHours(zone="Asia/Shanghai", weekdays=(1,), windows=(("09:05", "12:00"),))
    with pytest.raises(
        CatalogueRefused, match=r"The hours of deepseek/night-owl cannot be\. 09:05 to 12:00 is no window"
    ):
        import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(*FLAT, price("3", TokenClass.INPUT, wrong)))
