"""Prices in other currencies: kept as the vendor has them, taken over at a rate that somebody named, and dated."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from bursar_plugin_price_catalogue.handkept import HandKept

from governance.catalog.currencies import rate_of
from governance.catalog.importing import import_catalogue
from governance.catalog.models import LanguageModel, Price
from governance.catalog.queries import rate_tables
from governance.core.errors import BursarError
from governance.core.money import MoneyInvalid
from governance.plugin import TokenClass
from governance.plugin.prices import PriceCatalogue
from governance.plugin.usage import Usage
from tests.support.company import ACTOR, NOW

MODEL = "cn.glm-5.3"


def catalogue() -> PriceCatalogue:
    """What the hand-kept file has of the model at bigmodel.cn: 8, 2 and 28 CNY per million."""
    read = HandKept().read(providers=["glm"])
    return msgspec.structs.replace(
        read,
        models=tuple(fact for fact in read.models if fact.name == MODEL),
        prices=(),
        native=tuple(price for price in read.native if price.model == MODEL),
    )


def test_trap_30_a_price_in_another_currency_is_never_read_as_usd() -> None:
    read = HandKept().read(providers=())
    native = {(price.model, price.token_class): (price.per_million, price.currency) for price in read.native}
    assert native[MODEL, TokenClass.INPUT] == (8, "CNY")
    assert native["cn.deepseek-flash", TokenClass.CACHE_READ] in {(Decimal("0.02"), "CNY"), (Decimal("0.04"), "CNY")}
    assert not {model for model, _ in native} & {price.model for price in read.prices}


@pytest.mark.django_db
def test_trap_30_without_a_rate_the_model_has_no_price_and_the_import_says_what_is_missing() -> None:
    result = import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue())
    assert result.skipped == (f"glm/{MODEL}: billed in CNY, whose rate was not given (--rate CNY=USD).",)
    assert LanguageModel.objects.filter(name=MODEL).exists() and not Price.objects.exists()


@pytest.mark.django_db
def test_trap_30_a_rate_is_dated_and_a_call_keeps_the_one_it_was_rated_at() -> None:
    later = NOW + timedelta(days=30)
    import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(), rates={"CNY": Decimal("0.14")})
    again = import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(), rates={"CNY": Decimal("0.14")})
    assert (again.prices_opened, again.prices_closed) == (0, 0)
    import_catalogue(actor=ACTOR, at=later, catalogue=catalogue(), rates={"CNY": Decimal("0.1375")})
    model = LanguageModel.objects.get(name=MODEL)
    table = rate_tables(model_ids=[model.pk])[model.pk]
    usage = Usage(input_tokens=1000, output_tokens=100, cache_read_input_tokens=600)
    # 400 x 8 + 600 x 2 + 100 x 28 = 7,200 CNY per million: times 140 and 137.5 nano-USD.
    assert table.card_at(NOW).rate(usage).charge_nano == 1_008_000
    assert table.card_at(later).rate(usage).charge_nano == 990_000
    sources = Price.objects.filter(token_class="input").order_by("effective_from").values_list("source", flat=True)
    assert [source.rpartition("Billed in ")[2] for source in sources] == [
        "CNY, here at 0.14 USD.",
        "CNY, here at 0.1375 USD.",
    ]


@pytest.mark.parametrize(
    ("currency", "rate"),
    [
        ("USD", "1"),
        ("cny", "0.14"),
        ("CNY", "7.2e3"),
        ("CNY", "0"),
        ("CNY", "-1"),
        ("CNY", "NaN"),
        ("CNY", "0." + "14" * 9),
    ],
)
def test_a_rate_that_cannot_be_is_refused(currency: str, rate: str) -> None:
    with pytest.raises((BursarError, MoneyInvalid)):
        rate_of(currency, rate)
