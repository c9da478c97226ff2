"""The words of one attempt: what is claimed, what is held, how it ended. Plain structs for every kind of books."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from governance.budgets.hot import BudgetPolicy
from governance.catalog.rating import Rated
from governance.plugin.usage import Usage


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """Whose attempt it is and what it calls; copied onto its record."""

    organisation_id: int
    unit_id: int
    cost_centre_id: int
    team_id: int
    key_id: int
    user_id: int | None
    model_id: int
    deployment_id: int
    connection_id: int
    alias: str
    wire: str
    is_stream: bool
    tags: dict[str, str]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A wish to reserve money for one physical attempt, before anything is sent.

    `want_nano` is the worst case. `least_nano` is what must at least be granted (equal to `want_nano` where the
    maximum may not be lowered). `budgets` are those that pay, ascending by id.
    """

    attempt_id: UUID
    request_id: UUID
    attribution: Attribution
    budgets: tuple[BudgetPolicy, ...]
    want_nano: int
    least_nano: int


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Money reserved for one attempt on every account of its path, until its outcome is booked."""

    attempt_id: UUID
    request_id: UUID
    granted_nano: int
    admitted_at: datetime
    account_ids: tuple[int, ...]


class Ending(StrEnum):
    """How an attempt ended, as far as its money is concerned."""

    SETTLED = "settled"
    """It cost something (or provably nothing): a usage record is written and the hold is given back."""
    RELEASED = "released"
    """It never reached the vendor: the hold is given back and nothing is recorded."""
    ESTIMATED = "estimated"
    """What was seen of it is settled as an estimate, on a record of its own; the rest of the hold stays in suspense."""
    SUSPENSE = "suspense"
    """Nobody can prove what it cost: the hold stays."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one attempt. For SUSPENSE and RELEASED only `ending`, `reason` and the timings matter."""

    ending: Ending
    reason: str
    http_status: int = 0
    usage: Usage | None = None
    rated: Rated | None = None
    served_model: str | None = None
    service_tier: str = "standard"
    vendor_cost_nano: Decimal | None = None
    raw_usage: bytes | None = None
    is_estimated: bool = False
    first_byte_milliseconds: int | None = None
    total_milliseconds: int = 0
