"""Requests and replies of teams that store them, on their way to the database: off the request path, and bounded.

What there is no room for is dropped and counted: an answer never waits for its copy. Sealing happens in a thread.
"""

import asyncio
import contextlib
from collections import deque
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from governance.gateway.metrics import Numbers
from governance.prompts.envelope import Conversation, seal_conversation
from governance.prompts.hot import PromptRow, Storing, StoringPolicy, keep_prompts

_log = structlog.get_logger("bursar.gateway")

Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[TupleRow]]

_BATCH: Final = 100
_AGAIN_SECONDS: Final = 1.0
_QUERY_SECONDS: Final = 5.0


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One request with its reply, in the clear, and whose it is. `policy` is the team's wish at the time."""

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
    conversation: Conversation
    policy: StoringPolicy

    @property
    def size(self) -> int:
        """How much room it takes."""
        return len(self.conversation.request) + len(self.conversation.reply)


class PromptWriter:
    """The queue of one process. Every request is counted: as stored, dropped, or unwanted by then."""

    def __init__(self, *, pool: Pool, most_bytes: int, numbers: Numbers) -> None:
        self._pool = pool
        self._most = most_bytes
        self._numbers = numbers
        self._queue: deque[Said] = deque()
        self._has_work = asyncio.Event()
        self.size = 0

    def offer(self, said: Said) -> None:
        """Take it, or drop it where there is no room."""
        if self.size + said.size > self._most:
            self._count("dropped", 1)
            return
        self._queue.append(said)
        self.size += said.size
        self._has_work.set()

    def obey(self, storing: Storing) -> None:
        """Drop what its team does not want to be stored any more."""
        kept = [each for each in self._queue if _is_wanted(each, storing)]
        if len(kept) < len(self._queue):
            self._count("unwanted", len(self._queue) - len(kept))
            self._queue = deque(kept)
            self.size = sum(each.size for each in kept)

    async def run(self) -> None:
        """Write until cancelled, through any failure of the database."""
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._queue:
                try:
                    await self._write()
                except (psycopg.Error, PoolTimeout, OSError) as error:
                    _log.warning("prompts_not_written", waiting=len(self._queue), reason=type(error).__name__)
                    await asyncio.sleep(_AGAIN_SECONDS)

    async def close(self) -> None:
        """Write what is left, as far as the database takes it now."""
        with contextlib.suppress(psycopg.Error, PoolTimeout, OSError):
            while self._queue:
                await self._write()
        self._count("dropped", len(self._queue))

    def _count(self, result: str, requests: int) -> None:
        if requests:
            self._numbers.count("bursar_prompts", result, by=requests)

    async def _write(self) -> None:
        batch = [self._queue[number] for number in range(min(_BATCH, len(self._queue)))]
        rows = await asyncio.to_thread(_sealed, batch)
        try:
            async with asyncio.timeout(_QUERY_SECONDS), self._pool.connection() as connection:
                kept = await keep_prompts(connection, rows)
        except psycopg.DataError as error:
            # The same rows would be refused for ever.
            _log.error("prompts_not_stored", requests=len(rows), reason=str(error))
            self._count("dropped", len(rows))
        else:
            self._count("stored", kept)
            self._count("unwanted", len(rows) - kept)
        written = {id(each) for each in batch}
        self._queue = deque(each for each in self._queue if id(each) not in written)
        self.size = sum(each.size for each in self._queue)


def _is_wanted(said: Said, storing: Storing) -> bool:
    policy = storing.get(said.team_id)
    return policy is not None and policy.data_key_id == said.policy.data_key_id


def _sealed(batch: list[Said]) -> list[PromptRow]:
    rows = []
    for said in batch:
        nonce, ciphertext = seal_conversation(
            said.conversation, data_key=said.policy.data_key, team_id=said.team_id, request_id=said.request_id
        )
        rows.append(
            PromptRow(
                request_id=said.request_id,
                asked_at=said.asked_at,
                organisation_id=said.organisation_id,
                team_id=said.team_id,
                key_id=said.key_id,
                attempt_id=said.attempt_id,
                alias=said.alias,
                wire=said.wire,
                status=said.status,
                is_cut=said.is_cut,
                data_key_id=said.policy.data_key_id,
                nonce=nonce,
                ciphertext=ciphertext,
            )
        )
    return rows
