"""Vendors' own daily cost reports, as their administration APIs give them. Pure.

Their days are UTC, and a day's costs come hours after it has ended. What no model or key stands behind (storage, code
execution, a default workspace) is a row of its own, never spread over others. Amounts are decimals: OpenAI writes USD
as a JSON number, Anthropic cents as text. Sources: the types of openai 3.54.0 (admin organization costs) and
platform.claude.com (usage and cost API), which leaves priority capacity out of its report.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from governance.core.errors import BadRequest
from governance.core.money import EXACT

_NANO_PER_USD: Final = 9
_NANO_PER_CENT: Final = 7


class BilledCost(msgspec.Struct, frozen=True):
    """What a vendor charged for one model on one day (UTC), in exact nano-USD; without a model it is unattributed."""

    day: date
    model: str | None
    cost_nano: Decimal


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A report over whole days. `leaves_out` are the service tiers whose costs it never holds."""

    days: tuple[date, ...]
    costs: tuple[BilledCost, ...]
    leaves_out: frozenset[str] = frozenset()


def read_bill(content: bytes) -> Bill:
    """Read one page of a report, or a list of all its pages. Raises BadRequest with what to give instead."""
    try:
        decoded = json.loads(content, parse_float=Decimal)
        pages = decoded if isinstance(decoded, list) else [decoded]
        if pages[-1].get("has_more"):
            raise BadRequest("The report has more pages than the file: put all of them into one JSON list.")
        buckets = [bucket for page in pages for bucket in page["data"]]
        is_openai = any("start_time" in bucket for bucket in buckets)
        read = _openai if is_openai else _anthropic
        costs = tuple(cost for bucket in buckets for cost in read(bucket))
        days = tuple(_day(bucket) for bucket in buckets)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, InvalidOperation, RecursionError) as error:
        raise BadRequest(
            "The file is no daily cost report of OpenAI (GET /v1/organization/costs) or Anthropic "
            "(GET /v1/organizations/cost_report): give the JSON as the API answered it."
        ) from error
    return Bill(days=days, costs=costs, leaves_out=frozenset() if is_openai else frozenset({"priority"}))


def _openai(bucket: Mapping[str, Any]) -> Iterator[BilledCost]:
    for result in bucket["results"]:
        amount = result["amount"]
        model, comma, _ = (result.get("line_item") or "").partition(", ")
        yield BilledCost(
            _day(bucket),
            model if comma else None,
            _nano(amount["value"], currency=amount["currency"], digits=_NANO_PER_USD),
        )


def _anthropic(bucket: Mapping[str, Any]) -> Iterator[BilledCost]:
    for result in bucket["results"]:
        nano = _nano(result["amount"], currency=result["currency"], digits=_NANO_PER_CENT)
        yield BilledCost(_day(bucket), result.get("model") or None, nano)


def _day(bucket: Mapping[str, Any]) -> date:
    """Return the day of a bucket. Raises ValueError where it is none: hours cannot be told from days that are late."""
    if "start_time" in bucket:
        starts = datetime.fromtimestamp(bucket["start_time"], UTC)
        ends = datetime.fromtimestamp(bucket["end_time"], UTC)
    else:
        starts, ends = datetime.fromisoformat(bucket["starting_at"]), datetime.fromisoformat(bucket["ending_at"])
    if (ends - starts).total_seconds() != 86_400 or starts.astimezone(UTC).hour:
        raise ValueError("no whole day")
    return starts.astimezone(UTC).date()


def _nano(amount: object, *, currency: str, digits: int) -> Decimal:
    if currency.upper() != "USD" or isinstance(amount, bool) or not isinstance(amount, str | int | Decimal):
        raise ValueError("no amount of USD")
    value = Decimal(amount)
    if not value.is_finite():
        raise ValueError("no amount")
    return value.scaleb(digits, EXACT)
