"""One gateway process: opens what requests need, serves, and stops without losing an answer or an outcome."""

import asyncio
import contextlib
import functools
import gc
import random
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import structlog
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from governance.connections.tokens import Tokens
from governance.core.clock import utc_now
from governance.core.environment import Environment
from governance.core.errors import GovernanceUnavailable
from governance.core.plugins import load_plugins
from governance.core.tasks import end_tasks
from governance.gateway.app import Gateway
from governance.gateway.attempt import Vendors
from governance.gateway.breaker import Breakers, Tolerance
from governance.gateway.guarding import Guards
from governance.gateway.keeper import Keeper, Pool
from governance.gateway.limits import Limits
from governance.gateway.logs import request_log
from governance.gateway.metrics import Metrics
from governance.gateway.prompt_writer import PromptWriter
from governance.gateway.refusal_counts import RefusalCounts
from governance.gateway.response_cache import ResponseCache
from governance.gateway.retry_budget import RetryBudget
from governance.gateway.routes import ROUTES
from governance.gateway.routing import Router
from governance.gateway.server import GatewayServer
from governance.gateway.vendor_pool import VendorPool
from governance.gateway.watchdog import Watchdog
from governance.jobs.hot import Jobs
from governance.metering.leased import LeasedBooks
from governance.policy.opening import Opener
from governance.policy.snapshot import PolicySnapshot

_log = structlog.get_logger("bursar.gateway")

POOL_CONNECTIONS = 8
RECONNECT_SECONDS = 1.0
"""The pool waits ever longer between its tries, for minutes in the end. It gives up soon: who asks next tries anew."""
_SESSION_OPTIONS = "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"
_STANDBY_OPTIONS = " -c bursar.needs_synchronous_standby=on -c synchronous_commit=on"
"""metering_grant looks at the first; with the second a grant is answered when the standby has it."""
_DEAD_PEERS = "keepalives_idle=5 keepalives_interval=2 keepalives_count=3 tcp_user_timeout=5000 connect_timeout=5"
"""A database that is gone without a goodbye is noticed in about ten seconds, not when TCP gives up."""
_RETRY_SECONDS = 1.0
_LOOK_SECONDS = 0.02
_OPEN_SECONDS = 5.0
"""So long a process waits for books and policy before it answers without them that it is still starting."""
_FIRST_THRESHOLD = 50_000
"""Collections of the youngest generation are this rare: a request makes hundreds of objects that die by themselves."""


async def serve(environment: Environment, listener: socket.socket, *, limits: Limits) -> None:
    """Serve on this socket until SIGTERM or SIGINT; then finish what is open and give everything back."""
    async with open_gateway(environment, limits=limits) as gateway:
        server = GatewayServer(gateway)
        freezing = _start(_freeze_when_loaded(gateway))
        with server.capture_signals():
            await _wait_until_open(gateway)
            await server.serve(sockets=[listener])
        await _finish(gateway.in_flight)
        await end_tasks(freezing)


@contextlib.asynccontextmanager
async def open_gateway(environment: Environment, *, limits: Limits) -> AsyncIterator[Gateway]:
    """Open pool, policy, books, transport and metrics; close them in the opposite order."""
    plugins = load_plugins(
        blocked=environment.plugins_blocked,
        allowed=environment.plugins_allowed,
        settings=environment.plugin_settings,
    )
    url = environment.database_url("gateway")
    async with contextlib.AsyncExitStack() as stack:
        pool = _pool(url, limits, needs_standby=environment.needs_synchronous_standby)
        await pool.open(wait=False)
        stack.push_async_callback(pool.close)
        watchdog = Watchdog(interval_seconds=limits.watch_seconds)
        transport = VendorPool(limits, watchdog=watchdog)
        stack.push_async_callback(transport.close)
        tokens = Tokens()
        stack.push_async_callback(tokens.close)
        keeper = Keeper(
            pool=pool,
            listen=lambda: _listen(url),
            providers=plugins.providers,
            opener=Opener(environment.sealing_keys),
            tokens=tokens,
            clock=utc_now,
            limits=limits,
        )
        books = _leased_books(environment, pool, url, limits)
        log = request_log()
        stack.callback(log.flush)
        metrics = Metrics(folder=environment.home / "metrics", gauges=lambda: gauges(gateway, books))
        gateway = Gateway(
            keeper=keeper,
            vendors=Vendors(
                books=books,
                rates=books.rates,
                jobs=Jobs(pool=pool),
                transport=transport,
                watchdog=watchdog,
                limits=limits,
                clock=utc_now,
                breakers=Breakers(Tolerance(open_seconds=limits.breaker_open_seconds)),
                retries=RetryBudget(),
                router=Router(plugins.routing_strategies, chance=random.random),
                guards=Guards(plugins.guards),
                cache=ResponseCache(limits.cache_bytes),
                prompts=PromptWriter(pool=pool, most_bytes=limits.prompt_bytes, numbers=metrics.numbers),
                refusals=RefusalCounts(pool=pool, interval_seconds=limits.refusals_seconds),
                chance=random.random,
            ),
            metrics=metrics,
            log=log,
            pepper=environment.key_pepper,
            routes=ROUTES,
            clock=utc_now,
        )
        keeper.on_change = functools.partial(_obey, gateway.vendors)
        metrics.open()
        stack.callback(metrics.close)
        opening = asyncio.create_task(_open_books(books, gateway))
        stack.push_async_callback(_close_books, books, gateway, opening)
        vendors = gateway.vendors
        stack.push_async_callback(vendors.prompts.close)
        stack.push_async_callback(vendors.refusals.close)
        for work in (keeper.run(), watchdog.run(), metrics.run(), vendors.prompts.run(), vendors.refusals.run()):
            stack.push_async_callback(end_tasks, _start(work))
        yield gateway


def _leased_books(environment: Environment, pool: Pool, url: str, limits: Limits) -> LeasedBooks:
    locks = environment.home / "gateway"
    return LeasedBooks(
        pool=pool,
        listen=lambda: _listen(url),
        host=_lock_owner(locks),
        folder=locks,
        monotonic=time.monotonic,
        flush_seconds=limits.flush_seconds,
        idle_seconds=limits.lease_idle_seconds,
    )


def _obey(vendors: Vendors, snapshot: PolicySnapshot) -> None:
    """Forget at once what teams do not want to be kept any more."""
    vendors.cache.obey(snapshot.caching)
    vendors.prompts.obey(snapshot.storing)


def _lock_owner(locks: Path) -> str:
    """Name those who can judge by these locks who is dead: two homes on one machine do not see each other's."""
    return f"{socket.gethostname()}:{locks.resolve()}"


def gauges(gateway: Gateway, books: LeasedBooks) -> dict[str, float]:
    """Return this process's state as metrics show it."""
    snapshot = gateway.keeper.snapshot
    return {
        "bursar_requests_in_flight": len(gateway.in_flight),
        "bursar_reservations_open": gateway.reservations,
        "bursar_processes": 1,
        "bursar_breaker_open": gateway.vendors.breakers.open_count,
        "bursar_cache_bytes": gateway.vendors.cache.size,
        "bursar_policy_age_seconds": (utc_now() - snapshot.loaded_at).total_seconds() if snapshot else 0,
        **(books.gauges() if gateway.is_open else {}),
    }


def _pool(url: str, limits: Limits, *, needs_standby: bool) -> Pool:
    options = _SESSION_OPTIONS + (_STANDBY_OPTIONS if needs_standby else "")
    return AsyncConnectionPool(
        _noticing(url),
        min_size=2,
        max_size=POOL_CONNECTIONS,
        open=False,
        timeout=limits.database_seconds,
        reconnect_timeout=RECONNECT_SECONDS,
        kwargs={"autocommit": True, "options": options, "application_name": "bursar-gateway"},
    )


def _noticing(url: str) -> str:
    return make_conninfo(url, **conninfo_to_dict(_DEAD_PEERS))


async def _listen(url: str) -> AsyncConnection[TupleRow]:
    return await AsyncConnection.connect(_noticing(url), autocommit=True, application_name="bursar-gateway-policy")


async def _open_books(books: LeasedBooks, gateway: Gateway) -> None:
    """Open the books, however long the database takes to come up; until then the process is not ready."""
    while True:
        try:
            await books.open()
        except GovernanceUnavailable as error:
            _log.warning("books_cannot_be_opened", reason=str(error.__cause__ or error))
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            gateway.is_open = True
            return


async def _wait_until_open(gateway: Gateway) -> None:
    """Take no connection from the shared socket that another process could serve already; but answer probes in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_OPEN_SECONDS):
            while not (gateway.is_loaded or gateway.is_stopping):  # noqa: ASYNC110 - once, at start
                await asyncio.sleep(_LOOK_SECONDS)


async def _freeze_when_loaded(gateway: Gateway) -> None:
    """What is there when everything is loaded stays for good: collections need not look at it again."""
    while not gateway.is_loaded:  # noqa: ASYNC110 - once, at start
        await asyncio.sleep(_LOOK_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_FIRST_THRESHOLD, 50, 50)


async def _close_books(books: LeasedBooks, gateway: Gateway, opening: asyncio.Task[None]) -> None:
    await end_tasks(opening)
    if not gateway.is_open:
        return
    try:
        await books.close()
    except GovernanceUnavailable:
        _log.exception("books_not_closed", pending=books.pending())


async def _finish(tasks: set[asyncio.Task[None]]) -> None:
    """Wait for requests that outlived the drain and were cancelled: each books its outcome on the way out."""
    if tasks:
        await asyncio.wait(tuple(tasks), timeout=5)


def _start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(work)
