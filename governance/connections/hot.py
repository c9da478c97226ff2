"""Provider connections as the request path sees them: SQL through psycopg, plain structs, no Django."""

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow


class ConnectionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One enabled account at a vendor. `sealing_key` is None where the connection has no credential."""

    id: int
    organisation_id: int
    name: str
    provider: str
    base_url: str
    options: dict[str, str]
    region: str
    unit_id: int | None
    team_id: int | None
    is_charged: bool
    sealing_key: str | None
    nonce: bytes | None
    ciphertext: bytes | None


_ENABLED = """
    SELECT c.id, c.organisation_id, c.name, c.provider, c.base_url, c.options, c.region, c.unit_id, c.team_id,
           c.is_charged, s.sealing_key, s.nonce, s.ciphertext
      FROM connections_connection c
      LEFT JOIN connections_sealedcredential s ON s.connection_id = c.id
     WHERE c.is_enabled
"""


async def load_connections(connection: AsyncConnection[TupleRow]) -> tuple[ConnectionRow, ...]:
    """Return every enabled connection, its credential still sealed."""
    cursor = await connection.execute(_ENABLED)
    rows = await cursor.fetchall()
    return tuple(ConnectionRow(**dict(zip(ConnectionRow.__struct_fields__, row, strict=True))) for row in rows)
