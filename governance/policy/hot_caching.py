"""Which teams keep answers, as the request path sees it: read through psycopg, no Django."""

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.policy.caching import CachePolicy, Caching

_WISHES = "SELECT team_id, ttl_seconds, max_bytes, patterns, is_any_temperature FROM policy_responsecache"


async def load_caching(connection: AsyncConnection[TupleRow]) -> Caching:
    """Return the wishes of all teams that keep answers."""
    cursor = await connection.execute(_WISHES)
    return {
        team_id: CachePolicy(
            ttl_seconds=ttl, max_bytes=most, patterns=tuple(patterns), is_any_temperature=is_any_temperature
        )
        for team_id, ttl, most, patterns, is_any_temperature in await cursor.fetchall()
    }
