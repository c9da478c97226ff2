"""Virtual keys as the request path sees them: SQL through psycopg, plain structs, no Django."""

from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One secret of one key, with the key and its team."""

    public_id: str
    digest: bytes
    secret_expires_at: datetime | None
    key_id: int
    key_name: str
    expires_at: datetime | None
    revoked_at: datetime | None
    user_id: int | None
    default_tags: dict[str, str]
    default_max_output_tokens: int | None
    organisation_id: int
    organisation_name: str
    unit_id: int
    unit_name: str
    cost_centre_id: int
    team_id: int
    team_name: str
    archived_at: datetime | None
    required_tags: tuple[str, ...]
    organisation_regions: tuple[str, ...]
    unit_regions: tuple[str, ...]
    team_regions: tuple[str, ...]


_BY_PUBLIC_ID = """
    SELECT s.public_id, s.digest, s.expires_at,
           k.id, k.name, k.expires_at, k.revoked_at, k.user_id, k.default_tags, k.default_max_output_tokens,
           o.id, o.name, u.id, u.name, t.cost_centre_id, t.id, t.name, t.archived_at, t.required_tags,
           o.regions, u.regions, t.regions
      FROM keys_keysecret s
      JOIN keys_virtualkey k ON k.id = s.key_id
      JOIN teams_team t ON t.id = k.team_id
      JOIN teams_businessunit u ON u.id = t.unit_id
      JOIN teams_organisation o ON o.id = t.organisation_id
     WHERE s.public_id = %(public_id)s
"""


async def load_key(connection: AsyncConnection[TupleRow], *, public_id: str) -> KeyRow | None:
    """Return the key that has this secret, or None."""
    cursor = await connection.execute(_BY_PUBLIC_ID, {"public_id": public_id})
    row = await cursor.fetchone()
    if row is None:
        return None
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in row]
    return KeyRow(**dict(zip(KeyRow.__struct_fields__, values, strict=True)))
