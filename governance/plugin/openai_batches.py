"""Batches of OpenAI's API: a file of requests goes in, files of answers and of errors come out.

Sources: OpenAI's API reference (batches, files; the words of `error.code`) and help.openai.com, "Batch API FAQ": half
the price, and when a batch expires or is cancelled, what was completed is charged, and nothing else. Azure serves the
same under `/openai/v1` (learn.microsoft.com, "Azure OpenAI batch deployments"), where a file that is not there has an
empty id.
"""

from typing import Final
from urllib.parse import quote

import msgspec

from governance.plugin.errors import RequestUnbounded, UsageUnreadable
from governance.plugin.jobs import BATCH_TIER, FileAction, JobAction, JobKind, JobReading, LineEnd, LineReading
from governance.plugin.openai_chat import OpenAIChatProvider
from governance.plugin.provider import Billing, Bound, ConnectionSettings, GoverningFields, Upstream, Wire

_METHODS: Final = {JobAction.READ: "GET", JobAction.DELETE: "DELETE"}
_FILE_METHODS: Final = {FileAction.READ: "GET", FileAction.CONTENT: "GET", FileAction.DELETE: "DELETE"}
_OVER: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_NEVER_RUN: Final = frozenset({"batch_expired", "batch_cancelled"})
_USUAL_TIERS: Final = (None, "auto", "default")
_ABSENT: Final = msgspec.Raw(b"null")


class _Counts(msgspec.Struct):
    completed: int | None = None
    failed: int | None = None


class _Batch(msgspec.Struct):
    id: str
    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    request_counts: _Counts | None = None


class _File(msgspec.Struct):
    id: str


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw = _ABSENT


class _Error(msgspec.Struct):
    code: str | None = None


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


_batch = msgspec.json.Decoder(_Batch)
_file = msgspec.json.Decoder(_File)
_line = msgspec.json.Decoder(_Line)


class OpenAIBatchesProvider(OpenAIChatProvider):
    """The chat base with `/files` and `/batches`, at the prices of the service tier `batch`: combine it with others,
    whose wires its lines are in. See JobProvider and FileProvider.
    """

    job_kinds = frozenset({JobKind.OPENAI_BATCH})

    def job_upstream(
        self, *, kind: JobKind, action: JobAction, connection: ConnectionSettings, job_id: str = ""
    ) -> Upstream:
        """Follow the base URL. Raises ConnectionInvalid."""
        place = "/batches"
        if action is not JobAction.CREATE:
            place += f"/{quote(job_id, safe='')}{'/cancel' if action is JobAction.CANCEL else ''}"
        return self.beside_chat(connection, place, method=_METHODS.get(action, "POST"))

    def file_upstream(self, *, action: FileAction, connection: ConnectionSettings, file_id: str = "") -> Upstream:
        """Follow the base URL. What is sent says by itself of what type it is. Raises ConnectionInvalid."""
        place = "/files"
        if action is not FileAction.CREATE:
            place += f"/{quote(file_id, safe='')}{'/content' if action is FileAction.CONTENT else ''}"
        return self.beside_chat(connection, place, method=_FILE_METHODS.get(action, "POST"))

    def results_upstream(self, *, kind: JobKind, connection: ConnectionSettings, job_id: str, results: str) -> Upstream:
        """Return where the content of a file of results is."""
        return self.file_upstream(action=FileAction.CONTENT, connection=connection, file_id=results)

    def beside_chat(self, connection: ConnectionSettings, place: str, *, method: str) -> Upstream:
        """Return what stands beside the chat wire's route, with the same authorisation. Raises ConnectionInvalid."""
        chat = self.upstream(wire=Wire.OPENAI_CHAT, connection=connection)
        base = chat.url.removesuffix(self.path_of(Wire.OPENAI_CHAT))
        return msgspec.structs.replace(chat, url=base + place, method=method)

    def line_bound(
        self, *, kind: JobKind, wire: Wire, connection: ConnectionSettings, fields: GoverningFields
    ) -> Bound:
        """Bound it as a single request, at the prices of batches. Raises RequestUnbounded."""
        if fields.service_tier not in _USUAL_TIERS:
            raise RequestUnbounded("A batch has no other service tier than its own: remove the field 'service_tier'.")
        bound = self.bound(wire=wire, connection=connection, fields=fields)
        return msgspec.structs.replace(bound, service_tiers=(BATCH_TIER,))

    def read_job(self, *, kind: JobKind, body: bytes) -> JobReading:
        """Read a batch. Raises UsageUnreadable."""
        return read_batch(body)

    def read_file(self, *, body: bytes) -> str:
        """Return the id of a file. Raises UsageUnreadable."""
        try:
            return _file.decode(body).id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UsageUnreadable(f"The vendor's reply is not a file: {error}.") from error

    def read_line(self, *, kind: JobKind, wire: Wire, connection: ConnectionSettings, line: bytes) -> LineReading:
        """Read one line of an output or error file. Raises UsageUnreadable when it names no request."""
        try:
            read = _line.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UsageUnreadable(f"A line of the vendor's results is none: {error}.") from error
        response, code = read.response, (read.error.code or "") if read.error else ""
        if response is None:
            end = LineEnd.UNBILLED if code in _NEVER_RUN else LineEnd.UNKNOWN
            return LineReading(name=read.custom_id, end=end, reason=_word(code), http_status=0)
        if response.status_code != 200:
            reading = self.read_error(wire=wire, status=response.status_code, body=bytes(response.body))
            end = LineEnd.UNBILLED if reading.billing is Billing.UNBILLED else LineEnd.UNKNOWN
            return LineReading(name=read.custom_id, end=end, reason="vendor_error", http_status=response.status_code)
        return self._reported(read.custom_id, wire, connection, bytes(response.body))

    def _reported(self, name: str, wire: Wire, connection: ConnectionSettings, body: bytes) -> LineReading:
        try:
            report = self.read_reply(wire=wire, connection=connection, body=body)
        except UsageUnreadable as error:
            return LineReading(name=name, end=LineEnd.UNKNOWN, reason=error.reason)
        if report is None:
            return LineReading(name=name, end=LineEnd.UNKNOWN, reason="usage_missing")
        # The vendor says "default" of batches, too.
        report = msgspec.structs.replace(report, service_tier=BATCH_TIER)
        return LineReading(name=name, end=LineEnd.REPORTED, reason="completed", report=report)


def read_batch(body: bytes) -> JobReading:
    """Read a batch. One that ended with no files, and of which nothing was completed, never ran. Raises
    UsageUnreadable.
    """
    try:
        batch = _batch.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnreadable(f"The vendor's reply is not a batch: {error}.") from error
    is_over = batch.status in _OVER
    files = tuple(name for name in (batch.output_file_id, batch.error_file_id) if name)
    counts = batch.request_counts
    has_run = counts is not None and (counts.completed, counts.failed) != (0, 0)
    never_ran = not files and (batch.status == "failed" if counts is None else not has_run)
    return JobReading(
        id=batch.id,
        status=batch.status,
        is_over=is_over,
        results=files if is_over else (),
        files=files,
        rest=LineEnd.UNBILLED if is_over and never_ran else LineEnd.UNKNOWN,
    )


def _word(code: str) -> str:
    return code if code.replace("_", "").isalpha() and len(code) <= 64 else "vendor_error"
