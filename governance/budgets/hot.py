"""Budgets as the request path sees them: plain structs, SQL through psycopg, no Django."""

from collections.abc import Sequence

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.budgets.narrowing import Narrowing
from governance.core.windows import Period, Window, WindowKind


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Whose share of a budget it is: one person's, or that of one key without a person."""

    user_id: int | None
    key_id: int | None
    name: str


class BudgetPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One live budget, as one key meets it.

    `scope` says whose it is, for error messages: "team default". Without `narrowing` it pays for all calls, without
    `member` everybody shares one account.
    """

    id: int
    name: str
    scope: str
    window: Window
    is_hard: bool
    narrowing: Narrowing | None = None
    member: Member | None = None
    account_key: tuple[int, Member | None] = (0, None)
    """What an open account is remembered by: budgets with members have several in each period. Made, never given."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "account_key", (self.id, self.member))


_COLUMNS = """
    SELECT b.id, b.name,
           CASE WHEN b.key_id IS NOT NULL THEN 'key ' || k.name
                WHEN b.user_id IS NOT NULL THEN 'person ' || p.email
                WHEN b.team_id IS NOT NULL THEN 'team ' || t.name
                WHEN b.unit_id IS NOT NULL THEN 'unit ' || u.name
                ELSE 'organisation ' || o.name END,
           b."window", b.zone, b.first_month, b.enforcement,
           b.sharing = 'per_member', mp.email, mk.name,
           COALESCE(g.patterns, array_remove(ARRAY[b.model_pattern], '')), b.provider, b.tag_name, b.tag_value
      FROM budgets_budget b
      JOIN teams_organisation o ON o.id = b.organisation_id
      LEFT JOIN teams_businessunit u ON u.id = b.unit_id
      LEFT JOIN teams_team t ON t.id = b.team_id
      LEFT JOIN teams_user p ON p.id = b.user_id
      LEFT JOIN keys_virtualkey k ON k.id = b.key_id
      LEFT JOIN keys_virtualkey mk ON mk.id = %(key_id)s
      LEFT JOIN teams_user mp ON mp.id = mk.user_id
      LEFT JOIN policy_accessgroup g ON g.id = b.model_group_id
     WHERE b.retired_at IS NULL AND b.organisation_id = %(organisation_id)s
"""
# A budget narrows to every scope it names: one of a team and a person is "that person in that team".
_ON_PATH = """
       AND (b.unit_id IS NULL OR b.unit_id = %(unit_id)s)
       AND (b.team_id IS NULL OR b.team_id = %(team_id)s)
       AND (b.key_id IS NULL OR b.key_id = %(key_id)s)
       AND (b.user_id IS NULL OR b.user_id = %(user_id)s)
     ORDER BY b.id
"""


async def load_path(
    connection: AsyncConnection[TupleRow],
    *,
    organisation_id: int,
    unit_id: int,
    team_id: int,
    key_id: int,
    user_id: int | None,
) -> tuple[BudgetPolicy, ...]:
    """Return the live budgets that pay for calls with this key, ascending by id, whatever the model."""
    names = {
        "organisation_id": organisation_id,
        "unit_id": unit_id,
        "team_id": team_id,
        "key_id": key_id,
        "user_id": user_id,
    }
    cursor = await connection.execute(_COLUMNS + _ON_PATH, names)
    return tuple(_policy(row, key_id=key_id, user_id=user_id) for row in await cursor.fetchall())


_OPEN = """
    SELECT budgets_open_account(budget_id, starts_at, ends_at, user_id, key_id)
      FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::bigint[]) WITH ORDINALITY
           AS wanted (budget_id, starts_at, ends_at, user_id, key_id, number)
     ORDER BY number
"""


async def open_accounts(
    connection: AsyncConnection[TupleRow], wanted: Sequence[tuple[BudgetPolicy, Period]]
) -> list[int | None]:
    """Return the accounts of these periods, opened if need be; None where the database's clock is in another period.

    Budgets come ascending by id, which is the order of locks.
    """
    cursor = await connection.execute(
        _OPEN,
        (
            [budget.id for budget, _ in wanted],
            [period.starts_at for _, period in wanted],
            [period.ends_at for _, period in wanted],
            [budget.member.user_id if budget.member is not None else None for budget, _ in wanted],
            [budget.member.key_id if budget.member is not None else None for budget, _ in wanted],
        ),
        prepare=True,
    )
    return [row[0] for row in await cursor.fetchall()]


def _policy(row: TupleRow, *, key_id: int, user_id: int | None) -> BudgetPolicy:
    budget_id, name, scope, window, zone, first_month, enforcement, is_per_member, email, key_name, *narrowing = row
    member = None
    if is_per_member and user_id is not None:
        member = Member(user_id=user_id, key_id=None, name=f"person {email}")
    elif is_per_member:
        member = Member(user_id=None, key_id=key_id, name=f"key {key_name}")
    return BudgetPolicy(
        id=budget_id,
        name=name,
        scope=scope if member is None else f"{scope}, share of {member.name}",
        window=Window(kind=WindowKind(window), zone=zone, first_month=first_month),
        is_hard=enforcement == "hard",
        narrowing=_narrowing(*narrowing),
        member=member,
    )


def _narrowing(patterns: list[str], provider: str, tag_name: str, tag_value: str) -> Narrowing | None:
    found = Narrowing(patterns=tuple(patterns), provider=provider, tag_name=tag_name, tag_value=tag_value)
    return None if found == Narrowing() else found
