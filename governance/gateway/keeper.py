"""Keeps policy in memory: the snapshot, and the keys that were used. Told of changes by the database, within moments.

A lost connection cannot hide a change: after reconnecting everything is loaded anew, and the version is polled besides.
While the database is away, what is known keeps serving, and a key that is not known gets `governance_unavailable`.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeAlias

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from governance.connections.tokens import Tokens
from governance.core.errors import GovernanceUnavailable
from governance.gateway.limits import Limits
from governance.plugin.provider import Provider
from governance.policy.hot import CHANNEL, load_key_policy, load_snapshot, load_version
from governance.policy.opening import Opener
from governance.policy.snapshot import KeyPolicy, PolicySnapshot

Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[TupleRow]]

_log = structlog.get_logger("bursar.policy")
_RECONNECT_SECONDS = 0.5
_QUERY_SECONDS = 5.0


class Keeper:
    """The snapshot and the keys in use."""

    def __init__(
        self,
        *,
        pool: Pool,
        listen: Callable[[], Awaitable[AsyncConnection[TupleRow]]],
        providers: Mapping[str, Provider],
        opener: Opener,
        tokens: Tokens,
        clock: Callable[[], datetime],
        limits: Limits,
    ) -> None:
        self.on_change: Callable[[PolicySnapshot], None] | None = None
        """Told of every snapshot, once it is in force."""
        self._pool = pool
        self._listen = listen
        self._providers = providers
        self._opener = opener
        self._tokens = tokens
        self._clock = clock
        self._limits = limits
        self._keys = KeyCache(limits=limits)
        self._loads = asyncio.Lock()
        """One after another, so that what was read later stays."""
        self._renewing: asyncio.Task[None] | None = None
        self._loading: dict[str, asyncio.Task[KeyPolicy | None]] = {}
        self.snapshot: PolicySnapshot | None = None
        self.version = 0
        """The version of policy up to which every change was taken."""

    async def key(self, public_id: str) -> KeyPolicy | None:
        """Return what governs this secret, or None when there is no such secret. Raises GovernanceUnavailable."""
        now = time.monotonic()
        if (known := self._keys.get(public_id, now=now)) is not None:
            return known
        if self._keys.is_unknown(public_id, now=now):
            return None
        loading = self._loading.get(public_id)
        if loading is None:
            loading = self._loading[public_id] = asyncio.create_task(self._load_key(public_id))
            loading.add_done_callback(lambda _: self._loading.pop(public_id, None))
        return await asyncio.shield(loading)

    def recognise(self, mark: bytes) -> KeyPolicy | None:
        """Return what governs the secret that was remembered under this mark, if nothing changed since."""
        return self._keys.verified.get(mark)

    def remember(self, mark: bytes, policy: KeyPolicy) -> None:
        """The secret with this mark was verified just now."""
        self._keys.remember(mark, policy)

    async def refresh(self) -> None:
        """Load the snapshot and forget every key. Raises psycopg.Error.

        The first time, tokens that connections need are waited for; later they are got beside it, so that no token
        endpoint holds up a revocation.
        """
        if self.snapshot is None:
            await self._compile()
            await self._tokens.fetch(at=self._clock())
        await self._load()
        if self._tokens.is_due(self._clock()) and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        try:
            if await self._tokens.fetch(at=self._clock()):
                await self._load()
        except (psycopg.Error, PoolTimeout, OSError) as error:
            _log.warning("policy_connection_lost", reason=type(error).__name__)

    async def _load(self) -> None:
        self._keys.forget_all()
        async with self._loads:
            self.snapshot = await self._compile()
            if self.on_change is not None:
                self.on_change(self.snapshot)
        self._keys.forget_all()

    async def _compile(self) -> PolicySnapshot:
        async with self._pool.connection(timeout=_QUERY_SECONDS) as connection:
            return await load_snapshot(
                connection,
                providers=self._providers,
                opener=self._opener,
                tokens=self._tokens,
                at=self._clock(),
            )

    async def run(self) -> None:
        """Follow changes, and renew tokens in time, until cancelled, through any failure of the database."""
        try:
            await self._run()
        finally:
            if self._renewing is not None:
                self._renewing.cancel()

    async def _run(self) -> None:
        while True:
            try:
                async with _closing(await self._listen()) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await self._pool.check()
                    await self.refresh()
                    await self._follow(connection)
            except (psycopg.Error, PoolTimeout, TimeoutError, OSError) as error:
                _log.warning("policy_connection_lost", reason=type(error).__name__)
            except Exception:  # noqa: BLE001 - were this task to end, a revoked key would work for ever
                _log.exception("policy_cannot_be_loaded")
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _follow(self, connection: AsyncConnection[TupleRow]) -> None:
        """Take what is heard; when it is quiet, ask for the version: it moved unheard only if a notice was lost."""
        self.version = self.snapshot.version if self.snapshot else 0
        while True:
            is_quiet = True
            async for notice in connection.notifies(timeout=self._limits.policy_poll_seconds, stop_after=1):
                is_quiet = False
                await self._take(notice.payload)
            async with asyncio.timeout(_QUERY_SECONDS):
                current = await load_version(connection)
            if is_quiet and (current != self.version or self._tokens.is_due(self._clock())):
                await self.refresh()
            self.version = current

    async def _take(self, payload: str) -> None:
        kind, _, key_id = payload.partition(":")
        if kind == "key" and key_id.isdecimal():
            self._keys.forget(int(key_id))
        else:
            await self.refresh()

    async def _load_key(self, public_id: str) -> KeyPolicy | None:
        """Load until no change came in between, so that nothing older than a change is ever kept."""
        while True:
            generation = self._keys.generation
            try:
                policy = await self._ask(public_id)
            except (psycopg.Error, PoolTimeout, OSError) as error:
                raise GovernanceUnavailable(
                    "The key cannot be looked up because the database does not answer: try again shortly.",
                    retry_after_seconds=1,
                ) from error
            if self._keys.generation == generation:
                self._keys.put(public_id, policy, now=time.monotonic())
                return policy

    async def _ask(self, public_id: str) -> KeyPolicy | None:
        """Ask twice where the first connection turns out to be dead, as all in the pool are after a restart."""
        try:
            async with self._pool.connection(timeout=_QUERY_SECONDS) as connection:
                return await load_key_policy(connection, public_id=public_id)
        except psycopg.OperationalError:
            await self._pool.check()
        async with self._pool.connection(timeout=_QUERY_SECONDS) as connection:
            return await load_key_policy(connection, public_id=public_id)


class KeyCache:
    """A bounded number of keys, the least recently loaded dropped first. Unknown ones are remembered briefly."""

    def __init__(self, *, limits: Limits) -> None:
        self._limits = limits
        self._known: OrderedDict[str, KeyPolicy] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._by_key: dict[int, set[str]] = {}
        self.verified: dict[bytes, KeyPolicy] = {}
        self.generation = 0

    def get(self, public_id: str, *, now: float) -> KeyPolicy | None:
        """Return the key if it is known."""
        return self._known.get(public_id)

    def is_unknown(self, public_id: str, *, now: float) -> bool:
        """Return whether it was looked for a moment ago and not found."""
        return self._unknown.get(public_id, now) > now

    def put(self, public_id: str, policy: KeyPolicy | None, *, now: float) -> None:
        """Remember what was found, or that nothing was."""
        if policy is None:
            self._unknown[public_id] = now + self._limits.unknown_key_seconds
            if len(self._unknown) > self._limits.cached_keys:
                self._unknown.popitem(last=False)
            return
        self._unknown.pop(public_id, None)
        self._known[public_id] = policy
        self._by_key.setdefault(policy.key_id, set()).add(public_id)
        if len(self._known) > self._limits.cached_keys:
            _, dropped = self._known.popitem(last=False)
            self.verified.clear()
            self._forget_id(dropped.key_id, dropped.public_id)

    def remember(self, mark: bytes, policy: KeyPolicy) -> None:
        """Remember what a verified secret's mark stands for, unless it was forgotten in the meantime."""
        if self._known.get(policy.public_id) is policy:
            if len(self.verified) >= self._limits.cached_keys:
                self.verified.clear()
            self.verified[mark] = policy

    def forget(self, key_id: int) -> None:
        """Drop every secret of this key, and what was unknown: it may have been issued just now.

        Every mark goes with it: verifying a key once more costs less than finding out which marks were its own.
        """
        self.generation += 1
        self.verified.clear()
        self._unknown.clear()
        for public_id in self._by_key.pop(key_id, ()):
            self._known.pop(public_id, None)

    def forget_all(self) -> None:
        """Drop everything."""
        self.generation += 1
        self.verified.clear()
        self._known.clear()
        self._unknown.clear()
        self._by_key.clear()

    def _forget_id(self, key_id: int, public_id: str) -> None:
        ids = self._by_key.get(key_id, set())
        ids.discard(public_id)
        if not ids:
            self._by_key.pop(key_id, None)


@contextlib.asynccontextmanager
async def _closing(connection: AsyncConnection[TupleRow]) -> AsyncIterator[AsyncConnection[TupleRow]]:
    try:
        yield connection
    finally:
        await connection.close()
