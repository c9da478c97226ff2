"""Attempts and outcomes as JSON, encoded once: for the journal, and for the database as `metering_book` reads it.

An attempt's text and its outcome's text are two objects that are joined into one, byte by byte. Amounts are nano-USD;
exact decimals are strings.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from governance.catalog.rating import RATING_RULE
from governance.metering.attempt import Attribution, Ending, Hold, Outcome


class _Attempt(msgspec.Struct, frozen=True, kw_only=True):
    attempt_id: UUID
    request_id: UUID
    admitted_at: datetime
    reserved_nano: int
    account_ids: tuple[int, ...]


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    ending: str
    reason: str
    http_status: int
    served_model: str | None
    service_tier: str
    is_estimated: bool
    input_tokens: int
    output_tokens: int
    classes: list[str]
    quantities: list[int]
    price_ids: list[int | None]
    costs_nano: list[str]
    cost_nano: str
    charge_nano: int
    vendor_cost_nano: str | None
    rating_rule: int
    raw_usage: msgspec.Raw
    first_byte_milliseconds: int | None
    total_milliseconds: int


_NO_USAGE = msgspec.Raw(b"null")
_encode = msgspec.json.Encoder().encode


def attempt_text(hold: Hold, attribution: Attribution) -> bytes:
    """Return the JSON of what is known of an attempt before it is sent."""
    head = _Attempt(
        attempt_id=hold.attempt_id,
        request_id=hold.request_id,
        admitted_at=hold.admitted_at,
        reserved_nano=hold.granted_nano,
        account_ids=hold.account_ids,
    )
    return _joined(_encode(head), _encode(attribution))


def outcome_text(outcome: Outcome) -> bytes:
    """Return the JSON of how an attempt ended."""
    rated, usage = outcome.rated, outcome.usage
    lines = rated.lines if rated else ()
    return _encode(
        _Outcome(
            # What is settled of an estimate is booked as any other settlement; `rest_text` is the other half of it.
            ending=Ending.SETTLED if outcome.ending is Ending.ESTIMATED else outcome.ending,
            reason=outcome.reason,
            http_status=outcome.http_status,
            served_model=outcome.served_model,
            service_tier=outcome.service_tier,
            is_estimated=outcome.is_estimated or outcome.ending is Ending.ESTIMATED or bool(rated and rated.is_assumed),
            input_tokens=usage.input_tokens if usage else 0,
            output_tokens=usage.output_tokens if usage else 0,
            classes=[line.token_class for line in lines],
            quantities=[line.quantity for line in lines],
            price_ids=[line.price_id for line in lines],
            costs_nano=[_text(line.cost_nano) for line in lines],
            cost_nano=_text(rated.cost_nano) if rated else "0",
            charge_nano=rated.charge_nano if rated else 0,
            vendor_cost_nano=_text(outcome.vendor_cost_nano) if outcome.vendor_cost_nano is not None else None,
            rating_rule=RATING_RULE,
            raw_usage=msgspec.Raw(outcome.raw_usage) if outcome.raw_usage else _NO_USAGE,
            first_byte_milliseconds=outcome.first_byte_milliseconds,
            total_milliseconds=outcome.total_milliseconds,
        )
    )


def estimated_text(outcome: bytes, *, rest_nano: int) -> bytes:
    """Return the journal's JSON of an estimate: what is settled, and how much of the hold stays in suspense."""
    return _joined(outcome, b'{"rest_nano":%d}' % rest_nano)


def rest_text(reason: str) -> bytes:
    """Return the JSON of the part of an attempt that nobody can prove, beside an estimate of the rest."""
    return outcome_text(Outcome(ending=Ending.SUSPENSE, reason=reason))


def suspense_text(reason: str, *, leased_nano: int) -> bytes:
    """Return the JSON of an unknown outcome of which only so much still stands in each lease: it was settled before."""
    unknown = outcome_text(Outcome(ending=Ending.SUSPENSE, reason=reason))
    return _joined(unknown, b'{"leased_nano":%d}' % leased_nano)


def booking_text(attempt: bytes, outcome: bytes, *, reserved_nano: int, leased_nano: int) -> bytes:
    """Return one element of what `metering_book` takes. `leased_nano` stands for it in the lease of each account."""
    money = b'{"reserved_nano":%d,"leased_nano":%d,"held_apart_nano":0}' % (reserved_nano, leased_nano)
    return _joined(attempt, _joined(money, outcome))


def fact_text(attempt: bytes, outcome: bytes, *, reserved_nano: int) -> bytes:
    """Return a booking for which nothing stands in any lease, whatever its outcome's text says of one."""
    return _joined(booking_text(attempt, outcome, reserved_nano=reserved_nano, leased_nano=0), b'{"leased_nano":0}')


def line_text(name: str, outcome: Outcome) -> bytes:
    """Return one element of what `metering_settle_lines` takes: how the line of this name ended."""
    return _joined(_encode({"name": name}), outcome_text(outcome))


def batch_text(rows: Iterable[bytes]) -> str:
    """Return bookings as one JSON array."""
    return (b"[" + b",".join(rows) + b"]").decode()


def _joined(one: bytes, other: bytes) -> bytes:
    return one[:-1] + b"," + other[1:]


def _text(amount: Decimal) -> str:
    return f"{amount:f}"
