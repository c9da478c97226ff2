"""Rate limits as the request path sees them: read through psycopg, no Django."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.budgets.hot import Member
from governance.budgets.narrowing import Narrowing
from governance.keys.hot import KeyRow
from governance.policy.rate_limit import Counts, LimitWindow, RateLimitPolicy

# A limit narrows to every scope it names: one of a team and a person is "that person in that team".
_ON_PATH = """
    SELECT l.id, l.name, l.counts, l.amount, l."window",
           CASE WHEN l.key_id IS NOT NULL THEN 'key ' || %(key_name)s
                WHEN l.user_id IS NOT NULL THEN 'person ' || p.email
                WHEN l.team_id IS NOT NULL THEN 'team ' || %(team_name)s
                WHEN l.unit_id IS NOT NULL THEN 'unit ' || %(unit_name)s
                ELSE 'organisation ' || %(organisation_name)s END,
           l.sharing = 'per_member', p.email,
           COALESCE(g.patterns, array_remove(ARRAY[l.model_pattern], '')), l.provider
      FROM policy_ratelimit l
      LEFT JOIN teams_user p ON p.id = %(user_id)s
      LEFT JOIN policy_accessgroup g ON g.id = l.model_group_id
     WHERE l.retired_at IS NULL AND l.organisation_id = %(organisation_id)s
       AND (l.unit_id IS NULL OR l.unit_id = %(unit_id)s)
       AND (l.team_id IS NULL OR l.team_id = %(team_id)s)
       AND (l.key_id IS NULL OR l.key_id = %(key_id)s)
       AND (l.user_id IS NULL OR l.user_id = %(user_id)s)
     ORDER BY l.id
"""


async def load_rate_limits(connection: AsyncConnection[TupleRow], *, key: KeyRow) -> tuple[RateLimitPolicy, ...]:
    """Return the live rate limits that count calls with this key, ascending by id, whatever the model."""
    names = {
        "organisation_id": key.organisation_id,
        "unit_id": key.unit_id,
        "team_id": key.team_id,
        "key_id": key.key_id,
        "user_id": key.user_id,
        "organisation_name": key.organisation_name,
        "unit_name": key.unit_name,
        "team_name": key.team_name,
        "key_name": key.key_name,
    }
    cursor = await connection.execute(_ON_PATH, names)
    return tuple(_policy(row, key=key) for row in await cursor.fetchall())


def _policy(row: TupleRow, *, key: KeyRow) -> RateLimitPolicy:
    limit_id, name, counts, amount, window, scope, is_per_member, email, patterns, provider = row
    member = None
    if is_per_member and key.user_id is not None:
        member = Member(user_id=key.user_id, key_id=None, name=f"person {email}")
    elif is_per_member:
        member = Member(user_id=None, key_id=key.key_id, name=f"key {key.key_name}")
    narrowing = Narrowing(patterns=tuple(patterns), provider=provider)
    return RateLimitPolicy(
        id=limit_id,
        name=name,
        scope=scope if member is None else f"{scope}, share of {member.name}",
        counts=Counts(counts),
        amount=amount,
        window=LimitWindow(window) if window is not None else None,
        narrowing=None if narrowing == Narrowing() else narrowing,
        member=member,
    )
