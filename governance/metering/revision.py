"""What one more revision of a usage record says: the difference between what stands and what is right. Pure."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from governance.catalog.rating import RATING_RULE, Rated
from governance.core.money import EXACT
from governance.ledger.rated import RERATED, StandingAttempt, StandingLine
from governance.plugin.usage import TokenClass

_NOTHING = StandingLine(0, None, Decimal(0))


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One revision as `metering_revise` reads it: differences to what stood (JSON; exact decimals as strings)."""

    attempt_id: UUID
    revision: int
    admitted_at: datetime
    outcome: str
    is_estimated: bool
    classes: list[str]
    quantities: list[int]
    price_ids: list[int | None]
    costs_nano: list[str]
    cost_nano: str
    charge_nano: int
    rating_rule: int


def revision_of(attempt: StandingAttempt, rated: Rated, *, is_usage_estimated: bool) -> Revision | None:
    """Return what rating again changes; None when neither a cost nor the mark of an estimate does."""
    is_estimated = rated.is_assumed or is_usage_estimated
    now = {line.token_class: StandingLine(line.quantity, line.price_id, line.cost_nano) for line in rated.lines}
    pairs = [(each, attempt.lines.get(each, _NOTHING), now.get(each, _NOTHING)) for each in TokenClass]
    changed = [(token_class, old, new) for token_class, old, new in pairs if old != new]
    if is_estimated == attempt.is_estimated and all(old.cost_nano == new.cost_nano for _, old, new in changed):
        return None
    return Revision(
        attempt_id=attempt.place.attempt_id,
        revision=attempt.revision + 1,
        admitted_at=attempt.place.admitted_at,
        outcome=RERATED,
        is_estimated=is_estimated,
        classes=[token_class for token_class, _, _ in changed],
        quantities=[new.quantity - old.quantity for _, old, new in changed],
        price_ids=[new.price_id for _, _, new in changed],
        costs_nano=[_text(EXACT.subtract(new.cost_nano, old.cost_nano)) for _, old, new in changed],
        cost_nano=_text(EXACT.subtract(rated.cost_nano, attempt.cost_nano)),
        charge_nano=rated.charge_nano - attempt.charge_nano,
        rating_rule=RATING_RULE,
    )


def _text(amount: Decimal) -> str:
    return f"{amount:f}"
