"""What a process says to a database that took the place of another: these leases are mine, this was confirmed to me.

After a fail-over the process knows better than the books (money.md 5.6): its word replaces what they remember of it.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
import psycopg
import structlog

from governance.budgets.hot import Member
from governance.metering import bank
from governance.metering.leases import Lease
from governance.metering.recent import Recent

log = structlog.get_logger("metering")


class _Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A lease as `metering_reassert` takes it. Without a budget only an account that the books have is meant."""

    account_id: int
    amount_nano: int
    budget_id: int | None
    user_id: int | None
    key_id: int | None
    starts_at: datetime
    ends_at: datetime


async def assert_all(
    connection: bank.Connection, *, host: str, lock_name: str, in_hand: Iterable[Lease], recent: Recent
) -> bank.Reasserted:
    """Say everything in one transaction. Raises psycopg.Error; then nothing was heard."""
    leases = msgspec.json.encode([_said(lease) for lease in in_hand]).decode()

    async def say(outcomes: str) -> bank.Reasserted:
        return await bank.reassert(
            connection, host=host, lock_name=lock_name, process_id=os.getpid(), leases=leases, outcomes=outcomes
        )

    try:
        return await say(recent.text())
    except (psycopg.IntegrityError, psycopg.DataError):
        log.exception("recent_outcomes_unbookable")
        return await say(recent.text_as_suspense())


def _said(lease: Lease) -> _Lease:
    budget_id, member = lease.key if isinstance(lease.key, tuple) else (None, None)
    return _Lease(
        account_id=lease.account_id,
        amount_nano=lease.total,
        budget_id=budget_id,
        user_id=member.user_id if isinstance(member, Member) else None,
        key_id=member.key_id if isinstance(member, Member) else None,
        starts_at=datetime.fromtimestamp(lease.starts_at, UTC),
        ends_at=datetime.fromtimestamp(lease.ends_at, UTC),
    )
