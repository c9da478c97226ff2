"""Stored prompts as gateways see them: who wants it, and handing rows over. SQL through psycopg, no Django."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from governance.connections.errors import SealBroken
from governance.connections.sealing import Sealed
from governance.prompts.envelope import data_key_owner

_log = structlog.get_logger("bursar.policy")

OpenSecret: TypeAlias = Callable[[Sealed, str], bytes]
"""Opens what was sealed for this owner. Raises SealBroken."""


class StoringPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A team's wish: up to so many bytes of a request, and of its reply, under this key."""

    max_bytes: int
    data_key_id: UUID
    data_key: bytes

    def __repr__(self) -> str:
        return f"StoringPolicy(data_key_id={self.data_key_id})"


Storing: TypeAlias = Mapping[int, StoringPolicy]
"""By team; of a team that is not in it nothing is stored."""


class PromptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row, in the order in which `prompts_keep` takes its columns."""

    request_id: UUID
    asked_at: datetime
    organisation_id: int
    team_id: int
    key_id: int
    attempt_id: UUID | None
    alias: str
    wire: str
    status: int
    is_cut: bool
    data_key_id: UUID
    nonce: bytes
    ciphertext: bytes


_WISHES = "SELECT team_id, max_bytes, data_key_id, sealing_key, nonce, ciphertext FROM prompts_promptstorage"
_KEEP = """
    SELECT prompts_keep(%s::uuid[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[], %s::uuid[], %s::text[],
                        %s::text[], %s::smallint[], %s::boolean[], %s::uuid[], %s::bytea[], %s::bytea[])
"""


async def load_storing(connection: AsyncConnection[TupleRow], *, open_secret: OpenSecret) -> Storing:
    """Return the wishes of all teams. One whose data key does not open is left out, and a line in the log."""
    cursor = await connection.execute(_WISHES)
    found: dict[int, StoringPolicy] = {}
    for team_id, most, data_key_id, sealing_key, nonce, ciphertext in await cursor.fetchall():
        owner = data_key_owner(team_id=team_id, data_key_id=data_key_id)
        try:
            data_key = open_secret(Sealed(sealing_key, bytes(nonce), bytes(ciphertext)), owner)
        except SealBroken as error:
            _log.error("prompts_cannot_be_stored", team_id=team_id, reason=error.message)
            continue
        found[team_id] = StoringPolicy(max_bytes=most, data_key_id=data_key_id, data_key=data_key)
    return found


async def keep_prompts(connection: AsyncConnection[TupleRow], rows: Sequence[PromptRow]) -> int:
    """Hand rows over; return how many were kept: not those that their team does not want any more."""
    columns = [[getattr(row, name) for row in rows] for name in PromptRow.__struct_fields__]
    cursor = await connection.execute(_KEEP, columns)
    kept = await cursor.fetchone()
    return int(kept[0]) if kept else 0
