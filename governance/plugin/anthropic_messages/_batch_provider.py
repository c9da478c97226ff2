"""A provider of the messages wire whose vendor takes batches of it, too."""

from typing import Final
from urllib.parse import quote

import msgspec

from governance.plugin.anthropic_messages._batches import batch_tier, read_batch, read_result
from governance.plugin.anthropic_messages._provider import AnthropicMessagesProvider
from governance.plugin.jobs import JobAction, JobKind, JobReading, LineReading
from governance.plugin.provider import Bound, ConnectionSettings, GoverningFields, Upstream, Wire

_METHODS: Final = {JobAction.READ: "GET", JobAction.DELETE: "DELETE"}
_SUFFIXES: Final = {JobAction.CANCEL: "/cancel"}


class AnthropicBatchesProvider(AnthropicMessagesProvider):
    """The base with `/messages/batches`, at the prices of the service tier `batch`. See JobProvider."""

    job_kinds = frozenset({JobKind.ANTHROPIC_BATCH})

    def job_upstream(
        self, *, kind: JobKind, action: JobAction, connection: ConnectionSettings, job_id: str = ""
    ) -> Upstream:
        """Follow the address of messages. Raises ConnectionInvalid."""
        messages = self.upstream(wire=Wire.ANTHROPIC_MESSAGES, connection=connection)
        place = f"{messages.url}/batches"
        if action is not JobAction.CREATE:
            place += f"/{quote(job_id, safe='')}{_SUFFIXES.get(action, '')}"
        return msgspec.structs.replace(messages, url=place, method=_METHODS.get(action, "POST"))

    def results_upstream(self, *, kind: JobKind, connection: ConnectionSettings, job_id: str, results: str) -> Upstream:
        """Return where the results of a batch are, which its id says: never an address out of a reply."""
        job = self.job_upstream(kind=kind, action=JobAction.READ, connection=connection, job_id=job_id)
        return msgspec.structs.replace(job, url=f"{job.url}/results")

    def line_bound(
        self, *, kind: JobKind, wire: Wire, connection: ConnectionSettings, fields: GoverningFields
    ) -> Bound:
        """Bound it as a single request, at the prices of batches. Raises RequestUnbounded."""
        bound = self.bound(wire=wire, connection=connection, fields=fields)
        tiers = dict.fromkeys([batch_tier(tier) for tier in bound.service_tiers])
        return msgspec.structs.replace(bound, service_tiers=tuple(tiers))

    def read_job(self, *, kind: JobKind, body: bytes) -> JobReading:
        """Read a batch. Raises UsageUnreadable."""
        return read_batch(body)

    def read_line(self, *, kind: JobKind, wire: Wire, connection: ConnectionSettings, line: bytes) -> LineReading:
        """Read a result. Raises UsageUnreadable."""
        return read_result(line)
