"""Reservations that outlive their process: a whole job's worst case, held in the database (`sql/0015_durable.sql`).

A job is a batch, or an answer that is worked on in the background. No lease pays for it and no journal knows of it:
what is held for it stands in the books before the vendor is asked, and leaves line by line once the vendor reported.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from governance.budgets.hot import open_accounts
from governance.core.errors import GovernanceUnavailable
from governance.metering import bank
from governance.metering.attempt import Claim, Ending, Outcome
from governance.metering.bank import Connection
from governance.metering.refusals import Refusal, refusal_error
from governance.metering.session import Pool, not_lent, unavailable
from governance.metering.teller import NOBODY_IS_LENT
from governance.metering.texts import batch_text, line_text, outcome_text

WAITS_SECONDS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""How long a claim waits for what lies idle in leases, each time anew, before it is refused as held."""
_HELD_RETRY_SECONDS: Final = 30
# Lines travel as one text: an array of tens of thousands takes a driver half a second to write, and the loop waits.
_HOLD = """
    WITH line AS (
        SELECT array_agg((l->>1)::uuid) AS attempts, array_agg(l->>0) AS names, array_agg((l->>2)::bigint) AS amounts
          FROM json_array_elements(%s::json) AS l
    )
    SELECT h.outcome, h.account_id, h.limit_nano, h.settled_nano, h.held_nano, h.resets_at, h.at
      FROM line, metering_hold_durably(%s::json, %s::bigint[], line.attempts, line.names, line.amounts) AS h
"""

log = structlog.get_logger("metering")


class Line(NamedTuple):
    """One attempt of a job: what the vendor reports it by, and its worst case in nano-USD."""

    name: str
    attempt_id: UUID
    reserved_nano: int


class DurableClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A wish to reserve money for a job. Its `claim` is of the reservation's id, and wants what its lines sum up to."""

    claim: Claim
    lines: Sequence[Line]


class Answer(NamedTuple):
    """What `metering_hold_durably` says (see its comment)."""

    outcome: str
    account_id: int | None
    limit_nano: int
    settled_nano: int
    held_nano: int
    resets_at: datetime
    at: datetime


class DurableBooks:
    """Reserves for jobs. One per gateway process; it keeps nothing."""

    def __init__(self, *, pool: Pool) -> None:
        self._pool = pool

    async def reserve(
        self, durable: DurableClaim, *, beside: Callable[[Connection], Awaitable[None]] | None = None
    ) -> datetime:
        """Hold the money on every budget of the path, all or none, and write what belongs to it in the same
        transaction (`beside`); return the instant of admission.

        Raises BudgetExceeded, BudgetHeld or GovernanceUnavailable; then nothing may be sent, and nothing is held. Only
        where the answer of the database itself was lost it may be: as for a job whose vendor never answered.
        """
        try:
            for seconds in (*WAITS_SECONDS, None):
                async with self._pool.connection() as connection, connection.transaction():
                    refusal = await self._try(connection, durable)
                    if beside is not None and isinstance(refusal, datetime):
                        await beside(connection)
                if isinstance(refusal, datetime):
                    return refusal
                if refusal is not None and (refusal.is_final or seconds is None):
                    raise refusal_error(durable.claim, refusal)
                await asyncio.sleep(seconds or 0)
        except (psycopg.OperationalError, PoolTimeout, OSError) as error:
            log.warning("books_not_reached", reason=type(error).__name__, message=str(error))
            raise unavailable() from error
        raise GovernanceUnavailable("The budgets' periods are changing just now: try again.", retry_after_seconds=1)

    async def release(self, durable_id: UUID, *, reason: str) -> None:
        """Give everything back: it is proved that the vendor does nothing for it. Raises psycopg.Error, PoolTimeout."""
        async with self._pool.connection() as connection:
            await end(connection, durable_id, Outcome(ending=Ending.RELEASED, reason=reason))

    async def _try(self, connection: Connection, durable: DurableClaim) -> Refusal | datetime | None:
        """Return the instant of admission, or why there is none; None when an account's period was over."""
        claim = durable.claim
        at = await bank.clock(connection)
        opened = await open_accounts(connection, [(budget, budget.window.period_at(at)) for budget in claim.budgets])
        accounts = [account for account in opened if account is not None]
        if len(accounts) < len(opened):
            return None
        answer = await hold(connection, durable, accounts)
        if answer.outcome == "granted":
            return answer.at
        if answer.outcome in NOBODY_IS_LENT:
            raise not_lent(answer.outcome)
        if answer.outcome == "stale" or answer.account_id is None:
            return None
        return Refusal(
            is_final=answer.outcome == "exceeded",
            budget=claim.budgets[accounts.index(answer.account_id)],
            limit_nano=answer.limit_nano,
            settled_nano=answer.settled_nano,
            held_nano=answer.held_nano,
            resets_at=answer.resets_at,
            retry_after_seconds=_HELD_RETRY_SECONDS,
        )


async def hold(connection: Connection, durable: DurableClaim, accounts: Sequence[int]) -> Answer:
    """Hold on these accounts, all or none."""
    claim, lines = durable.claim, durable.lines
    described = {
        **msgspec.structs.asdict(claim.attribution),
        "id": claim.attempt_id,
        "request_id": claim.request_id,
    }
    cursor = await connection.execute(
        _HOLD,
        (msgspec.json.encode(lines).decode(), msgspec.json.encode(described).decode(), list(accounts)),
    )
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("The database answered no claim.")
    return Answer(*row)


async def settle(connection: Connection, durable_id: UUID, ended: Sequence[tuple[str, Outcome]]) -> int:
    """Book how these lines ended, each by its name; what ended before is passed over. Return how many ended now.

    Raises psycopg.IntegrityError or DataError for what the database cannot keep; then none of them ended.
    """
    text = batch_text([line_text(name, outcome) for name, outcome in ended])
    cursor = await connection.execute("SELECT metering_settle_lines(%s, %s::json)", (durable_id, text))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def end(connection: Connection, durable_id: UUID, rest: Outcome) -> int | None:
    """End the reservation: what its lines still hold is released, or goes to suspense. Return how many nano-USD that
    was; None when it had ended before.
    """
    text = outcome_text(rest).decode()
    cursor = await connection.execute("SELECT metering_end_durable(%s, %s::jsonb)", (durable_id, text))
    row = await cursor.fetchone()
    return row[0] if row else None
