"""Guard rules as the request path sees them: read through psycopg, no Django."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.keys.hot import KeyRow
from governance.policy.guards import GuardAction, GuardPolicy, GuardRule, guard_policy

_RULES = """
    SELECT CASE WHEN team_id IS NOT NULL THEN 2 WHEN unit_id IS NOT NULL THEN 1 ELSE 0 END AS level,
           guard, requests, replies
      FROM policy_guardrule
     WHERE organisation_id = %(organisation_id)s
       AND (unit_id IS NULL OR unit_id = %(unit_id)s)
       AND (team_id IS NULL OR team_id = %(team_id)s)
     ORDER BY level, guard
"""


async def load_guards(connection: AsyncConnection[TupleRow], *, key: KeyRow) -> GuardPolicy | None:
    """Return which guards look at calls with this key; None when none does."""
    names = {"organisation_id": key.organisation_id, "unit_id": key.unit_id, "team_id": key.team_id}
    cursor = await connection.execute(_RULES, names)
    titles = (f"organisation {key.organisation_name}", f"unit {key.unit_name}", f"team {key.team_name}")
    return guard_policy(
        [
            GuardRule(level=titles[level], guard=guard, requests=_action(requests), replies=_action(replies))
            for level, guard, requests, replies in await cursor.fetchall()
        ]
    )


def _action(word: str) -> GuardAction | None:
    return GuardAction(word) if word else None
