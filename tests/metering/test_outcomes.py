"""What a vendor said becomes something the books can keep, or stays in suspense."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from governance.catalog.rating import PriceLine, RateCard
from governance.metering import outcomes
from governance.metering.attempt import Ending
from governance.plugin.usage import TokenClass, Usage, UsageReport

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def card(nano: str) -> RateCard:
    lines = [
        PriceLine(
            id=number,
            token_class=token_class,
            nano_per_unit=Decimal(nano),
            from_input_tokens=0,
            service_tier="standard",
            effective_from=datetime(2026, 1, 1, tzinfo=UTC),
            effective_to=None,
        )
        for number, token_class in enumerate((TokenClass.INPUT, TokenClass.OUTPUT))
    ]
    return RateCard(lines, at=NOW)


def report(**fields: object) -> UsageReport:
    values = {"usage": Usage(input_tokens=3, output_tokens=4), "raw": b"{}", **fields}
    return UsageReport(**values)  # type: ignore[arg-type]  # fields of tests


def test_a_report_is_rated_and_kept() -> None:
    said = report(served_model="m-1", raw=b'{"a":1}', vendor_cost="0.0000000001")
    outcome = outcomes.settled(said, card("0.5"), reason="completed", http_status=200)
    assert outcome.ending is Ending.SETTLED
    assert outcome.rated is not None
    assert (outcome.rated.cost_nano, outcome.rated.charge_nano) == (Decimal("3.5"), 4)
    assert (outcome.served_model, outcome.raw_usage, outcome.vendor_cost_nano) == ("m-1", b'{"a":1}', Decimal("0.1"))


@pytest.mark.parametrize("cost", ["NaN", "-1", "1e9999", "Infinity", "many", ""])
def test_a_vendors_own_cost_that_is_no_amount_is_not_kept(cost: str) -> None:
    outcome = outcomes.settled(report(vendor_cost=cost), card("1"), reason="completed", http_status=200)
    assert outcome.vendor_cost_nano is None
    assert outcome.ending is Ending.SETTLED


@pytest.mark.parametrize("raw", [b'"\\u0000"', b'"\\ud800"', b"1e400", b'"\xff"', b"9" * 60, b" " * 20_000])
def test_raw_usage_that_a_database_refuses_is_not_kept(raw: bytes) -> None:
    assert outcomes.settled(report(raw=raw), card("1"), reason="completed", http_status=200).raw_usage is None


def test_names_lose_what_cannot_be_printed() -> None:
    said = report(served_model="a\x00b\ud800" + "c" * 1000, service_tier="\x00")
    outcome = outcomes.settled(said, card("1"), reason="completed", http_status=200)
    assert outcome.served_model == "ab" + "c" * 254
    assert outcome.service_tier == "standard"


def test_a_cost_beyond_all_bounds_is_not_believed() -> None:
    said = report(usage=Usage(input_tokens=2**40, output_tokens=2**40))
    outcome = outcomes.settled(said, card("10000000"), reason="completed", http_status=200)
    assert (outcome.ending, outcome.reason) == (Ending.SUSPENSE, "usage_absurd")
