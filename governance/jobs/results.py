"""A vendor's results as they come: cut into lines, and read one by one. Nothing is kept but what the books need."""

from collections.abc import AsyncIterator
from typing import Final

import structlog

from governance.catalog.rating import RateCard
from governance.core.clock import utc_now
from governance.jobs.hot import OpenJob
from governance.metering import outcomes
from governance.metering.attempt import Outcome
from governance.plugin.errors import UsageUnreadable
from governance.plugin.jobs import JobKind, JobProvider, LineEnd, LineReading
from governance.plugin.provider import ConnectionSettings, Wire
from governance.plugin.usage import TokenClass

LONGEST_LINE_BYTES: Final = 64 * 1024 * 1024
"""As long as a whole reply may be. What is longer is passed over: its money stays held."""

log = structlog.get_logger("bursar.jobs")


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of these chunks, without their ends and without empty ones."""
    held = bytearray()
    is_too_long = False
    async for chunk in chunks:
        *complete, rest = chunk.split(b"\n")
        for piece in complete:
            held += piece
            if not is_too_long and held.strip():
                yield bytes(held).strip()
            held.clear()
            is_too_long = False
        held += rest
        if len(held) > LONGEST_LINE_BYTES:
            log.error("result_too_long", bytes=len(held), at=utc_now().isoformat())
            held.clear()
            is_too_long = True
    if not is_too_long and held.strip():
        yield bytes(held).strip()


class LineReader:
    """Reads the lines of one job."""

    def __init__(
        self, job: OpenJob, provider: JobProvider, settings: ConnectionSettings, *, card: RateCard | None
    ) -> None:
        self._job = job
        self._provider = provider
        self._settings = settings
        self._card = card

    def read(self, line: bytes) -> tuple[str, Outcome] | None:
        """Return the name of the line and how it ended; None where nobody can tell whose it is."""
        kind, wire = JobKind(self._job.kind), Wire(self._job.wire)
        try:
            reading = self._provider.read_line(kind=kind, wire=wire, connection=self._settings, line=line)
            outcome = self._outcome(reading)
            if not self._job.reserved_nano and not (outcome.rated and not outcome.rated.charge_nano):
                outcome = outcomes.uncharged(outcome, because=TokenClass.OWN_ACCOUNT)
            return reading.name, outcome
        except UsageUnreadable as error:
            log.warning("result_unreadable", job_id=str(self._job.id), reason=error.reason)
        except Exception:
            log.exception("plugin_failed", provider=self._provider.name, doing="read_line")
        return None

    def _outcome(self, reading: LineReading) -> Outcome:
        if reading.end is LineEnd.UNBILLED:
            return outcomes.unbilled(http_status=reading.http_status, reason=reading.reason)
        if reading.end is not LineEnd.REPORTED or reading.report is None:
            return outcomes.suspense(reading.reason, http_status=reading.http_status)
        if self._card is None:
            return outcomes.suspense("price_missing", http_status=reading.http_status)
        return outcomes.settled(reading.report, self._card, reason=reading.reason, http_status=reading.http_status)
