"""Prices: none, nothing, less than nothing, too fine, mixed up, changed on the way, back-dated."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from governance.audit.models import AuditEvent
from governance.catalog import operations
from governance.catalog.amounts import nano_per_unit, usd_per_million
from governance.catalog.errors import PriceRefused, PriceUnusual
from governance.catalog.importing import import_catalogue
from governance.catalog.models import LanguageModel, Price
from governance.catalog.operations import NewModel
from governance.core.clock import utc_now
from governance.plugin.prices import PriceCatalogue, PriceFact
from governance.plugin.usage import TokenClass
from tests.gateway.vendor import Vendor, VendorCall, chat_reply
from tests.gateway.world import Served, World, eventually
from tests.security.asking import COST_NANO, ask, packed, refused, worst_nano
from tests.support.company import ACTOR, NOW


async def test_a_model_without_a_price_is_never_called(served: Served, world: World, vendor: Vendor, key: str) -> None:
    world.add_model("unpriced", prices={})
    world.add_model("half", prices={"input": "1000"})
    world.add_model("other-half", prices={"output": "1000"})
    world.add_model("coming", prices={"input": "1000", "output": "1000"})
    world.execute(
        "UPDATE catalog_price SET effective_from = now() + interval '1 hour'"
        " WHERE model_id = (SELECT id FROM catalog_languagemodel WHERE name = 'coming')"
    )
    world.add_model("former", prices={"input": "1000", "output": "1000"})
    world.execute(
        "UPDATE catalog_price SET effective_to = now() - interval '1 second'"
        " WHERE model_id = (SELECT id FROM catalog_languagemodel WHERE name = 'former')"
    )
    await served.catch_up(world)
    for name in ("unpriced", "half", "other-half", "coming", "former"):
        status, code = await refused(served, world, vendor, key, packed(model=name))
        assert (name, status) == (name, 400)
        assert code in ("price_missing", "request_unpriced")


async def test_a_price_of_nothing_still_counts_its_calls(served: Served, world: World, key: str) -> None:
    world.add_model("free", prices={"input": "0", "output": "0"})
    await served.catch_up(world)
    assert (await ask(served, key, model="free", max_tokens=50)).headers["x-bursar-cost-usd"] == "0.00"
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["input_tokens"], record["output_tokens"]) == (0, 9, 3)


async def test_the_finest_price_is_charged_a_nano_and_never_nothing(served: Served, world: World, key: str) -> None:
    world.add_model("fine", prices={"input": "0.000000000000000001", "output": "0"})
    budget = world.add_budget(1)
    await served.catch_up(world)
    assert (await ask(served, key, model="fine", max_tokens=50)).status_code == 200
    (record,) = await world.recorded()
    assert (record["cost_nano"], record["charge_nano"]) == (Decimal("0.000000000000000009"), 1)
    await world.at_rest(budget)
    assert (await ask(served, key, model="fine", max_tokens=50)).status_code == 402


async def test_a_negative_price_cannot_be_kept(world: World) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="a_price_is_not_negative"):
        world.add_model("negative", prices={"input": "-1", "output": "1"})


async def test_trap_18_a_price_that_changes_on_the_way_does_not_change_what_was_admitted(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    goes_on = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await goes_on.wait()
        await call.reply(chat_reply())

    vendor.answer = answer
    asked = asyncio.create_task(ask(served, key, max_tokens=50))
    await eventually(lambda: vendor.calls or None)
    world.execute("UPDATE catalog_price SET effective_to = now()")
    for token_class in ("input", "output"):
        world.insert(
            "catalog_price",
            book_id=world.book,
            model_id=world.rows("SELECT id FROM catalog_languagemodel")[0]["id"],
            token_class=token_class,
            nano_per_unit="7000",
            from_input_tokens=0,
            service_tier="standard",
            effective_from=utc_now(),
            source="test",
            snapshot_sha256="",
        )
    await served.catch_up(world)
    later = asyncio.create_task(ask(served, key, max_tokens=50))
    await eventually(lambda: True if len(vendor.calls) == 2 else None)
    goes_on.set()
    assert (await asked).status_code == (await later).status_code == 200
    records = await world.recorded(2)
    assert [record["charge_nano"] for record in records] == [COST_NANO, 12 * 7000]
    assert records[0]["reserved_nano"] == worst_nano(packed(max_tokens=50), maximum=50)


@pytest.fixture
def model(db: None) -> LanguageModel:
    return operations.add_model(actor=ACTOR, new=NewModel(provider="openai", name="gpt-test"))


def set_prices(model: LanguageModel, usd_in: str, usd_out: str, *, at: Any = NOW, **options: Any) -> None:
    prices = {TokenClass.INPUT: Decimal(usd_in), TokenClass.OUTPUT: Decimal(usd_out)}
    operations.set_prices(actor=ACTOR, at=at, model_id=model.pk, prices=prices, **{"effective_from": at, **options})


def in_usd(model: LanguageModel) -> list[tuple[str, Decimal]]:
    rows = Price.objects.filter(model=model, effective_to=None).order_by("token_class")
    return [(row.token_class, usd_per_million(row.nano_per_unit)) for row in rows]


@pytest.mark.parametrize("price", ["-0.01", "-1", "NaN", "sNaN", "Infinity", "-Infinity", "10000.01", "1e30"])
def test_a_price_that_cannot_be_is_refused_whoever_confirms_it(model: LanguageModel, price: str) -> None:
    for prices in ((price, "1"), ("1", price)):
        with pytest.raises(PriceRefused):
            set_prices(model, *prices, is_confirmed=True)
    assert not Price.objects.exists()


def test_a_price_finer_than_can_be_kept_is_refused_and_not_rounded(model: LanguageModel) -> None:
    with pytest.raises(PriceRefused, match="finer"):
        set_prices(model, "0.0000000000000000000001", "1", is_confirmed=True)
    assert nano_per_unit(Decimal("1e-21"), token_class=TokenClass.INPUT) == Decimal("1e-18")


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ("0", "free"),
        ("0.000000000000001", "per thousand"),
        ("0.0000025", "per thousand"),
        ("0.00099", "per thousand"),
        ("1000.01", "per token"),
        ("2500", "per token"),
    ],
)
def test_a_price_that_looks_like_a_mix_up_of_units_needs_somebodys_word(
    model: LanguageModel, price: str, words: str
) -> None:
    with pytest.raises(PriceUnusual, match=words):
        set_prices(model, price, "10")
    assert not Price.objects.exists()
    set_prices(model, price, "10", is_confirmed=True)
    assert in_usd(model) == [("input", Decimal(price)), ("output", Decimal(10))]
    event = AuditEvent.objects.filter(action="model.priced").get()
    assert event.after is not None and len(event.after["confirmed"]) == 1


@pytest.mark.parametrize(("after", "is_unusual"), [("50", False), ("50.01", True), ("0.125", False), ("0.1249", True)])
def test_a_price_more_than_twenty_times_off_the_former_one_needs_somebodys_word(
    model: LanguageModel, after: str, is_unusual: bool
) -> None:
    set_prices(model, "2.5", "10")
    later = NOW + timedelta(days=1)
    if is_unusual:
        with pytest.raises(PriceUnusual, match=r"20 times off the price until then, 2\.5"):
            set_prices(model, after, "10", at=later)
        assert in_usd(model)[0][1] == Decimal("2.5")
    set_prices(model, after, "10", at=later, is_confirmed=is_unusual)
    assert in_usd(model)[0][1] == Decimal(after)


def test_a_price_of_the_catalogue_is_what_a_first_price_by_hand_is_held_against(model: LanguageModel) -> None:
    import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(model, "2.5"))
    with pytest.raises(PriceUnusual, match="20 times off"):
        set_prices(model, "0.0025", "10")


def test_a_price_by_hand_cannot_be_back_dated(model: LanguageModel) -> None:
    set_prices(model, "2.5", "10")
    with pytest.raises(PriceRefused, match="past"):
        set_prices(model, "2", "10", at=NOW, effective_from=NOW - timedelta(microseconds=1))


def catalogue(model: LanguageModel, usd_in: str) -> PriceCatalogue:
    facts = tuple(
        PriceFact(
            provider=model.provider,
            model=model.name,
            token_class=token_class,
            usd_per_million=Decimal(usd),
            effective_from=None,
            effective_to=None,
            origin="test",
        )
        for token_class, usd in ((TokenClass.INPUT, usd_in), (TokenClass.OUTPUT, "10"))
    )
    return PriceCatalogue(
        source="genai-prices", as_of=NOW.date(), snapshot_sha256=usd_in, models=(), prices=facts, skipped=()
    )


@pytest.mark.parametrize("mixed_up", ["0.0025", "2500", "0"])
def test_an_import_that_mixes_units_up_changes_nothing_until_it_is_confirmed(
    model: LanguageModel, mixed_up: str
) -> None:
    import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(model, "2.5"))
    later = NOW + timedelta(days=1)
    held_back = import_catalogue(actor=ACTOR, at=later, catalogue=catalogue(model, mixed_up))
    assert (held_back.prices_opened, held_back.prices_closed, held_back.warnings) == (0, 0, ())
    assert len(held_back.refused) == 1 and "mix-up of units" in held_back.refused[0]
    assert in_usd(model)[0][1] == Decimal("2.5")
    done = import_catalogue(actor=ACTOR, at=later, catalogue=catalogue(model, mixed_up), is_confirmed=True)
    assert (done.prices_opened, done.prices_closed, done.refused, len(done.warnings)) == (1, 1, (), 1)
    assert in_usd(model)[0][1] == Decimal(mixed_up)


def test_an_import_ends_a_price_of_nothing_without_asking(model: LanguageModel) -> None:
    import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(model, "0"))
    done = import_catalogue(actor=ACTOR, at=NOW + timedelta(days=1), catalogue=catalogue(model, "2.5"))
    assert (done.prices_opened, done.refused) == (1, ())


def test_an_import_cannot_change_a_price_of_the_past(model: LanguageModel) -> None:
    import_catalogue(actor=ACTOR, at=NOW, catalogue=catalogue(model, "2.5"))
    kept = list(Price.objects.order_by("id").values("id", "nano_per_unit", "effective_from"))
    import_catalogue(actor=ACTOR, at=NOW + timedelta(days=1), catalogue=catalogue(model, "3"))
    assert list(Price.objects.filter(pk__in=[row["id"] for row in kept]).order_by("id").values(*kept[0])) == kept
    assert Price.objects.get(token_class="input", effective_to=None).effective_from == NOW + timedelta(days=1)
