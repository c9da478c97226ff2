"""Looks at the jobs that vendors work on, and settles them once they are over, whether or not anybody asks for them.

Everything here may be done twice, or be killed at any point: a job that is taken is due again by itself, and a line of
its results counts once (`metering_settle_lines`). Nothing is freed by waiting: what a vendor does not report stays
held.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import httpx
import psycopg
import structlog

from governance.catalog.hot import load_prices
from governance.catalog.rating import NoPrice, RateCard, RateTable
from governance.connections.checking import check_base_url
from governance.connections.tokens import Tokens
from governance.core.clock import utc_now
from governance.core.environment import SealingKey
from governance.jobs.hot import Connection, OpenJob, end_job, note_look, take_due
from governance.jobs.results import LineReader, lines_of
from governance.metering import durable, outcomes
from governance.metering.attempt import Ending, Outcome
from governance.plugin.errors import PluginError
from governance.plugin.jobs import JobAction, JobKind, JobProvider, JobReading, LineEnd, takes_jobs
from governance.plugin.provider import ConnectionSettings, Provider, Upstream
from governance.policy.hot import load_connected
from governance.policy.opening import Opener

LINES_AT_ONCE: Final = 200
LOOKING_SECONDS: Final = 600.0
"""A task that has been at it this long takes no further job: the next one does."""
LOST_AFTER: Final = timedelta(days=45)
"""Longer than any vendor keeps results. What nobody could read until then waits for somebody's word."""
_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
_LARGEST_JOB_BYTES: Final = 64 * 1024 * 1024
_SENDING_LOST: Final = "answer_lost"
_LINE_MISSING: Final = "line_missing"
_JOB_LOST: Final = "job_lost"
_UNBOOKABLE: Final = "outcome_unbookable"

log = structlog.get_logger("bursar.jobs")


class NotSeen(Exception):
    """The vendor did not say what was asked: it is asked again later."""


class _Seen(NamedTuple):
    reading: JobReading
    body: bytes


class Looker:
    """What looking needs, for as long as one task runs."""

    def __init__(
        self,
        connection: Connection,
        client: httpx.AsyncClient,
        *,
        providers: Mapping[str, Provider],
        keys: Sequence[SealingKey],
    ) -> None:
        self._connection = connection
        self._client = client
        self._providers = providers
        self._opener = Opener(keys)
        self._tokens = Tokens()

    async def look_at_due(self, *, ends_at: float) -> int:
        """Look at every job that is due, until `ends_at` (monotonic seconds); return how many ended."""
        ended = 0
        try:
            while time.monotonic() < ends_at and (job := await take_due(self._connection)) is not None:
                try:
                    ended += await self.look_at(job)
                except (NotSeen, httpx.HTTPError, PluginError) as error:
                    log.warning("job_not_seen", job_id=str(job.id), kind=job.kind, reason=_reason(error))
                except Exception:
                    log.exception("job_failed", job_id=str(job.id), kind=job.kind)
        finally:
            await self._tokens.close()
        return ended

    async def look_at(self, job: OpenJob) -> bool:
        """Look at one job; return whether it ended. Raises NotSeen, httpx.HTTPError or PluginError."""
        at = utc_now()
        if job.state == "sending":
            return await self._end(job, outcomes.suspense(_SENDING_LOST))
        try:
            provider, settings = await self._connected(job, at=at)
            seen = await self._ask(job, provider, settings)
            await note_look(self._connection, job, seen.reading, shown=seen.body)
            if not seen.reading.is_over:
                return False
            await self._settle(job, provider, settings, seen)
        except (NotSeen, httpx.HTTPError):
            if at - job.created_at < LOST_AFTER:
                raise
            return await self._end(job, outcomes.suspense(_JOB_LOST))
        if seen.reading.rest is LineEnd.UNBILLED:
            return await self._end(job, Outcome(ending=Ending.RELEASED, reason=seen.reading.status))
        return await self._end(job, outcomes.suspense(_LINE_MISSING))

    async def _end(self, job: OpenJob, rest: Outcome) -> bool:
        held = await end_job(self._connection, job, rest=rest)
        if held and rest.ending is Ending.SUSPENSE:
            log.error("job_in_suspense", job_id=str(job.id), kind=job.kind, held_nano=held, reason=rest.reason)
        return True

    async def _connected(self, job: OpenJob, *, at: datetime) -> tuple[JobProvider, ConnectionSettings]:
        for _ in range(2):
            found = await load_connected(
                self._connection,
                connection_id=job.connection_id,
                providers=self._providers,
                opener=self._opener,
                tokens=self._tokens,
                at=at,
            )
            if found is not None:
                provider, settings = found
                if takes_jobs(provider):
                    return provider, settings
                raise NotSeen(f"the provider {provider.name} takes no jobs any more")
            if not await self._tokens.fetch(at=at):
                break
        raise NotSeen("its connection does not work, or is disabled")

    async def _ask(self, job: OpenJob, provider: JobProvider, settings: ConnectionSettings) -> _Seen:
        kind = JobKind(job.kind)
        upstream = provider.job_upstream(kind=kind, action=JobAction.READ, connection=settings, job_id=job.vendor_id)
        async with self._reply(upstream) as reply:
            body = bytearray()
            async for chunk in reply.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST_JOB_BYTES:
                    raise NotSeen("the vendor's description of it is too large")
        return _Seen(provider.read_job(kind=kind, body=bytes(body)), bytes(body))

    async def _settle(self, job: OpenJob, provider: JobProvider, settings: ConnectionSettings, seen: _Seen) -> None:
        """Settle every line that the results name, a few hundred at a time, so that few are ever in memory."""
        reader = LineReader(job, provider, settings, card=await self._card(job))
        if seen.reading.line and (ended := reader.read(seen.reading.line)) is not None:
            await self._book_lines(job, [ended])
        for results in seen.reading.results:
            upstream = provider.results_upstream(
                kind=JobKind(job.kind), connection=settings, job_id=job.vendor_id, results=results
            )
            waiting: list[tuple[str, Outcome]] = []
            async with self._reply(upstream) as reply:
                async for line in lines_of(reply.aiter_bytes()):
                    if (ended := reader.read(line)) is not None:
                        waiting.append(ended)
                    if len(waiting) >= LINES_AT_ONCE:
                        await self._book_lines(job, waiting)
                        waiting = []
            await self._book_lines(job, waiting)

    async def _book_lines(self, job: OpenJob, ended: Sequence[tuple[str, Outcome]]) -> None:
        """Book these; what the database cannot keep goes to suspense, alone."""
        if not ended:
            return
        try:
            await durable.settle(self._connection, job.id, ended)
        except (psycopg.IntegrityError, psycopg.DataError) as error:
            log.exception("outcome_unbookable", job_id=str(job.id), lines=len(ended), reason=str(error))
            if len(ended) == 1:
                await durable.settle(self._connection, job.id, [(ended[0][0], outcomes.suspense(_UNBOOKABLE))])
            else:
                for each in ended:
                    await self._book_lines(job, [each])

    async def _card(self, job: OpenJob) -> RateCard | None:
        """Return the prices in force when the job was admitted."""
        lines = await load_prices(self._connection, model_ids=[job.model_id])
        try:
            return RateTable(lines.get(job.model_id, [])).card_at(job.admitted_at)
        except NoPrice:
            return None

    @asynccontextmanager
    async def _reply(self, upstream: Upstream) -> AsyncIterator[httpx.Response]:
        check_base_url(upstream.url)
        headers = {**dict(upstream.headers), "accept-encoding": "identity"}
        async with self._client.stream(upstream.method, upstream.url, headers=headers) as reply:
            if reply.status_code != 200:
                raise NotSeen(f"the vendor answered {reply.status_code}")
            yield reply


async def look_at_due(
    *,
    database_url: str,
    providers: Mapping[str, Provider],
    keys: Sequence[SealingKey],
    seconds: float = LOOKING_SECONDS,
) -> int:
    """Look at every job that is due; return how many ended. Safe to run twice at once."""
    async with (
        await Connection.connect(database_url, autocommit=True, application_name="bursar-jobs") as connection,
        httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=False) as client,
    ):
        looker = Looker(connection, client, providers=providers, keys=keys)
        return await looker.look_at_due(ends_at=time.monotonic() + seconds)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
