"""Outcomes on their way to the database: one SQL call per batch, safe to send again."""

from decimal import Decimal
from uuid import UUID

import msgspec

from governance.catalog.rating import RATING_RULE
from governance.metering.attempt import Outcome


class OutcomeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome as `metering_flush` reads it (JSON; amounts in nano-USD, exact decimals as strings)."""

    attempt_id: UUID
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


def outcome_row(attempt_id: UUID, outcome: Outcome) -> OutcomeRow:
    """Return the row of one outcome."""
    rated, usage = outcome.rated, outcome.usage
    lines = rated.lines if rated else ()
    return OutcomeRow(
        attempt_id=attempt_id,
        ending=outcome.ending,
        reason=outcome.reason,
        http_status=outcome.http_status,
        served_model=outcome.served_model,
        service_tier=outcome.service_tier,
        is_estimated=outcome.is_estimated or bool(rated and rated.is_assumed),
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


def encode_rows(rows: list[OutcomeRow]) -> str:
    """Return the rows as the JSON text that `metering_flush` takes."""
    return msgspec.json.encode(rows).decode()


def _text(amount: Decimal) -> str:
    return f"{amount:f}"
