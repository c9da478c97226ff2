"""The days of a model's life: what they make of it, and which are refused."""

from datetime import UTC, date, datetime

import pytest

from governance.catalog.errors import CatalogueRefused
from governance.catalog.importing import import_catalogue
from governance.catalog.lifecycle import NOTICE, Dates, Stage
from governance.catalog.models import LanguageModel
from governance.plugin.prices import ModelFact, PriceCatalogue
from tests.support.company import ACTOR

TODAY = date(2026, 12, 1)
PAST, COMING = date(2026, 5, 1), date(2027, 9, 1)


@pytest.mark.parametrize(
    ("dates", "stage"),
    [
        (Dates(), Stage.AVAILABLE),
        (Dates(announced_on=PAST), Stage.ANNOUNCED),
        (Dates(announced_on=TODAY, released_on=COMING), Stage.ANNOUNCED),
        (Dates(preview_on=COMING), Stage.ANNOUNCED),
        (Dates(announced_on=PAST, preview_on=TODAY), Stage.PREVIEW),
        (Dates(preview_on=PAST, released_on=COMING), Stage.PREVIEW),
        (Dates(preview_on=PAST, released_on=TODAY), Stage.AVAILABLE),
        (Dates(released_on=PAST, deprecated_on=COMING), Stage.AVAILABLE),
        (Dates(deprecated_on=TODAY), Stage.DEPRECATED),
        (Dates(retires_on=TODAY + NOTICE), Stage.DEPRECATED),
        (Dates(retires_on=COMING), Stage.AVAILABLE),
        (Dates(deprecated_on=COMING, retires_on=COMING), Stage.AVAILABLE),
        (Dates(released_on=PAST, retires_on=TODAY), Stage.DEPRECATED),
        (Dates(released_on=PAST, retires_on=date(2026, 11, 30)), Stage.RETIRED),
    ],
)
def test_a_day_makes_of_a_model_what_its_vendor_said(dates: Dates, stage: Stage) -> None:
    assert dates.stage(on=TODAY) is stage


def test_only_what_a_call_may_be_told_is_carried_to_it() -> None:
    quiet = (Dates(), Dates(preview_on=PAST), Dates(announced_on=PAST, released_on=TODAY))
    assert not any(dates.may_matter(on=TODAY) for dates in quiet)
    telling = (
        Dates(announced_on=PAST),
        Dates(released_on=COMING),
        Dates(deprecated_on=COMING),
        Dates(retires_on=COMING),
    )
    assert all(dates.may_matter(on=TODAY) for dates in telling)


@pytest.mark.django_db
def test_days_that_two_sources_bring_out_of_order_are_refused_by_name() -> None:
    def take(source: str, **days: date) -> None:
        fact = ModelFact(provider="deepseek", name="night-owl", title="Night owl", **days)  # type: ignore[arg-type]
        catalogue = PriceCatalogue(source=source, snapshot_sha256=str(days), as_of=TODAY, models=(fact,), prices=())
        import_catalogue(actor=ACTOR, at=datetime(2026, 12, 1, tzinfo=UTC), catalogue=catalogue)

    take("genai-prices", preview_on=PAST)
    take("bursar-catalogue", released_on=TODAY, retires_on=COMING)
    (model,) = LanguageModel.objects.all()
    assert model.dates == Dates(preview_on=PAST, released_on=TODAY, retires_on=COMING)
    with pytest.raises(CatalogueRefused, match=r"deepseek/night-owl are out of order.*deprecated_on 2026-05-01"):
        take("bursar-catalogue", deprecated_on=PAST)
