"""Replies of the Responses API that are worked on in the background: asked for once, and fetched when they are done.

Sources: OpenAI's API reference ("Background mode", the states of a response), and its Python package 3.54.0. A reply
costs what its `usage` says, at the tier that it names, as any other; one that was cancelled or failed without usage may
have cost something, which nobody documents.
"""

from typing import Final
from urllib.parse import quote

import msgspec

from governance.plugin.errors import UsageUnreadable
from governance.plugin.jobs import ONLY_LINE, JobAction, JobKind, JobReading, LineEnd, LineReading
from governance.plugin.openai_batches import OpenAIBatchesProvider
from governance.plugin.openai_responses import OpenAIResponsesProvider
from governance.plugin.provider import Bound, ConnectionSettings, GoverningFields, Upstream, Wire

_METHODS: Final = {JobAction.READ: "GET", JobAction.DELETE: "DELETE"}
_OVER: Final = frozenset({"completed", "failed", "cancelled", "incomplete"})


class _Reply(msgspec.Struct):
    id: str
    status: str


_reply = msgspec.json.Decoder(_Reply)


class OpenAIJobsProvider(OpenAIBatchesProvider, OpenAIResponsesProvider):
    """The bases of batches and of responses, with responses in the background. See JobProvider."""

    job_kinds = frozenset({JobKind.OPENAI_BATCH, JobKind.OPENAI_BACKGROUND})

    def job_upstream(
        self, *, kind: JobKind, action: JobAction, connection: ConnectionSettings, job_id: str = ""
    ) -> Upstream:
        """Follow the address of responses, for those. Raises ConnectionInvalid."""
        if kind is not JobKind.OPENAI_BACKGROUND:
            return super().job_upstream(kind=kind, action=action, connection=connection, job_id=job_id)
        place = self.path_of(Wire.OPENAI_RESPONSES)
        if action is not JobAction.CREATE:
            place += f"/{quote(job_id, safe='')}{'/cancel' if action is JobAction.CANCEL else ''}"
        return self.beside_chat(connection, place, method=_METHODS.get(action, "POST"))

    def line_bound(
        self, *, kind: JobKind, wire: Wire, connection: ConnectionSettings, fields: GoverningFields
    ) -> Bound:
        """Bound a reply in the background as any other. Raises RequestUnbounded."""
        if kind is not JobKind.OPENAI_BACKGROUND:
            return super().line_bound(kind=kind, wire=wire, connection=connection, fields=fields)
        return self.bound(wire=wire, connection=connection, fields=fields)

    def read_job(self, *, kind: JobKind, body: bytes) -> JobReading:
        """Read a reply's state; once it is over, it is its own only line. Raises UsageUnreadable."""
        if kind is not JobKind.OPENAI_BACKGROUND:
            return super().read_job(kind=kind, body=body)
        try:
            reply = _reply.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UsageUnreadable(f"The vendor's reply is not a response: {error}.") from error
        is_over = reply.status in _OVER
        return JobReading(id=reply.id, status=reply.status, is_over=is_over, line=body if is_over else b"")

    def read_line(self, *, kind: JobKind, wire: Wire, connection: ConnectionSettings, line: bytes) -> LineReading:
        """Read what a reply used. Raises UsageUnreadable where it is none."""
        if kind is not JobKind.OPENAI_BACKGROUND:
            return super().read_line(kind=kind, wire=wire, connection=connection, line=line)
        status = self.read_job(kind=kind, body=line).status
        if status not in _OVER:
            raise UsageUnreadable(f"The vendor's response is not over: it is {status[:64]!r}.")
        try:
            report = self.read_reply(wire=wire, connection=connection, body=line)
        except UsageUnreadable as error:
            return LineReading(name=ONLY_LINE, end=LineEnd.UNKNOWN, reason=error.reason)
        if report is None:
            return LineReading(name=ONLY_LINE, end=LineEnd.UNKNOWN, reason=f"{status}_without_usage")
        return LineReading(name=ONLY_LINE, end=LineEnd.REPORTED, reason=status, report=report)
