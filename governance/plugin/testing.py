"""The conformance kit: what every provider must hold, called from a plugin's own tests. First-party plugins use it too.

    import pytest
    from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject

    @pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
    def test_the_provider_conforms(check: ProviderCheck) -> None:
        check(Subject(provider=MyProvider(), base_url="https://api.example.test/v1"))

`check_recorded_reply` and `check_recorded_stream` take a reply of the real vendor and return what was read from it.
A failed check raises NotConforming, an AssertionError whose sentence says what to change.
"""

import contextlib
from collections.abc import Callable, Iterable
from typing import cast
from urllib.parse import urlsplit

import msgspec

from governance.plugin.errors import ConnectionInvalid, UsageUnreadable
from governance.plugin.jobs import JOB_WIRES, FileAction, JobAction, JobKind, takes_files, takes_jobs
from governance.plugin.json_array import ArraySplitter
from governance.plugin.media import MediaRequest
from governance.plugin.provider import (
    Billing,
    ConnectionSettings,
    EnvelopingProvider,
    FramingProvider,
    GoverningFields,
    Provider,
    SigningProvider,
    Upstream,
    Wire,
)
from governance.plugin.splicing import splice
from governance.plugin.sse import EventSplitter
from governance.plugin.testing_examples import CAP, EXAMPLES
from governance.plugin.usage import Usage, UsageReport

CANARY = "canary-credential-8f3a"
"""Stands for a vendor's key in every check; it may appear in an authorisation header and nowhere else."""

_GARBAGE = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"[DONE]",
    b"\xff\xfe",
    b'{"usage":null}',
    b'{"usage":[]}',
    b'{"usage":{}}',
    b'{"usage":{"prompt_tokens":-1,"completion_tokens":1}}',
    b'{"usage":{"prompt_tokens":1.5,"completion_tokens":1}}',
    b'{"usage":{"prompt_tokens":"1","completion_tokens":1}}',
    b'{"usage":{"prompt_tokens":1e999,"completion_tokens":1}}',
    b'{"usage":{"prompt_tokens":9999999999999999999,"completion_tokens":1}}',
    b'{"choices":5,"usage":{"prompt_tokens":1,"completion_tokens":1}}',
    b'{"usage":' + b"[" * 100_000,
    b'{"model":5,"usage":{"input_tokens":1,"output_tokens":1}}',
    b'{"model":"m","usage":{"input_tokens":-1,"output_tokens":1}}',
    b'{"model":"m","usage":{"input_tokens":1,"output_tokens":1,"iterations":[{"type":"advisor_message","model":"n"}]}}',
    b'{"type":"message_start","message":{"usage":{"input_tokens":-1,"output_tokens":1}}}',
    b'{"type":"message_delta","delta":5,"usage":{"output_tokens":1}}',
    b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1.5}}',
    b'{"usageMetadata":null}',
    b'{"usageMetadata":[]}',
    b'{"usageMetadata":{"promptTokenCount":-1}}',
    b'{"usageMetadata":{"promptTokenCount":1.5,"candidatesTokenCount":"1"}}',
    b'{"usageMetadata":{"promptTokenCount":9999999999999999999}}',
    b'{"usageMetadata":{"promptTokensDetails":{}}}',
    b'{"candidates":5,"usageMetadata":{"promptTokenCount":1}}',
    b'{"error":{"details":5}}',
    b'[{"error":{"details":[{"retryDelay":"1e999s"},{"retryDelay":7}]}}]',
    b'{"usage":{"input_tokens":-1,"output_tokens":1}}',
    b'{"usage":{"input_tokens":1.5,"output_tokens":1}}',
    b'{"usage":{"input_tokens":1},"output":5}',
    b'{"type":"response.completed","response":{"usage":{"input_tokens":"1","output_tokens":1}}}',
    b'{"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":1e999}}}',
    b'{"type":"response.completed","response":5,"usage":{}}',
    b'{"type":"response.completed","response":' + b"[" * 100_000,
)
_BAD_BASE_URLS = (
    "",
    "api.example.test",
    "ftp://api.example.test/v1",
    "https://user:secret@api.example.test/v1",
    "https://api.example.test/v1?key=secret",
    "https://api.example.test/v1#here",
    "https://api.example.test/v1\r\nx-evil: 1",
    "https://api.example.test:port/v1",
)
_NO_USE = Usage(input_tokens=0, output_tokens=0)


class NotConforming(AssertionError):
    """The provider does not hold what every provider must."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A provider under test, and a base URL, a credential that holds the canary, and options that it accepts.

    `outside` are the fields of its edits that its vendor takes beside what clients of the wire say: a model that stands
    in the address, a version in the body.
    """

    provider: Provider
    base_url: str
    options: dict[str, str] = {}
    credential: str = CANARY
    outside: frozenset[str] = frozenset()

    def connection(self, *, base_url: str | None = None, credential: str | None = None) -> ConnectionSettings:
        """Return a connection with these settings."""
        return ConnectionSettings(
            id=1,
            name="under test",
            base_url=self.base_url if base_url is None else base_url,
            credential=self.credential if credential is None else credential,
            options=self.options,
        )


ProviderCheck = Callable[[Subject], None]


def check_names(subject: Subject) -> None:
    """Names are what people choose and what records keep: short, plain, never empty."""
    provider = subject.provider
    _require(provider.name.isidentifier() and provider.name.islower(), "The name must be a lower-case identifier.")
    _require(bool(provider.title.strip()), "The title must say to people what this is.")
    _require(bool(provider.wires), "A provider speaks at least one wire.")


def check_upstream(subject: Subject) -> None:
    """URLs are absolute and keep the base; a closing slash changes nothing; the credential goes into a header alone."""
    for wire in subject.provider.wires:
        upstream = subject.provider.upstream(wire=wire, connection=subject.connection())
        slashed = subject.provider.upstream(wire=wire, connection=subject.connection(base_url=f"{subject.base_url}/"))
        base = urlsplit(subject.base_url)
        _require(urlsplit(upstream.url).netloc == base.netloc, "The URL must stay on the host of the base URL.")
        _require(urlsplit(upstream.url).path.startswith(base.path), "The URL must keep the path of the base URL.")
        _require(upstream.url == slashed.url, "A closing slash of the base URL must not change the URL.")
        _require(CANARY not in upstream.url, "The credential must not be part of the URL, which is logged.")
        _require(CANARY not in repr(upstream), "The representation of Upstream must not show the credential.")
        _require(_is_header_safe(upstream), "Header names and values must be printable, without line ends.")


def check_bad_connections(subject: Subject) -> None:
    """What cannot work is refused when the connection is compiled, in a sentence that does not tell the credential."""
    for wire in subject.provider.wires:
        for url in _BAD_BASE_URLS:
            sentence = _refusal(subject.provider, wire, subject.connection(base_url=url))
            _require(CANARY not in sentence and "secret" not in sentence, "A refusal must not repeat a credential.")
        _refusal(subject.provider, wire, subject.connection(credential=f"{CANARY}\r\nx-evil: 1"))
        if subject.provider.needs_credential:
            _refusal(subject.provider, wire, subject.connection(credential=""))


def check_garbage(subject: Subject) -> None:
    """No reply of a vendor, however broken, raises anything but UsageUnreadable or is read as usage out of nothing."""
    connection, provider = subject.connection(), subject.provider
    for wire in provider.wires:
        for body in _GARBAGE:
            _read_or_unreadable(provider, wire, connection, body)
            meter = provider.stream_meter(wire=wire, connection=connection, fields=_fields())
            meter.feed(body)
            _require(meter.seen_output_bytes() >= 0, "Seen output is never negative.")
            _require(meter.seen_output_events() in (0, 1), "One event is at most one event with output.")
            _require(meter.running() is None or b"usage" in body, "A running count was read from an event without one.")
            for status in (400, 401, 404, 408, 418, 429, 500, 503, 529, 599):
                reading = provider.read_error(wire=wire, status=status, body=body)
                is_unknown = reading.billing is Billing.UNKNOWN
                _require(status < 500 or is_unknown, "An error of 500 or above does not prove that nothing was billed.")
                may_follow = reading.may_work_elsewhere or not reading.is_retryable
                _require(may_follow, "An error that is worth a retry is worth another deployment too.")


def check_bound(subject: Subject) -> None:
    """The input bound covers every byte and grows with the request; all choices are counted, where there are any."""
    connection, provider = subject.connection(), subject.provider
    for wire in provider.wires:
        before = 0
        for size in (1, 100, 10_000, 1_000_000):
            fields = _fields(body_bytes=size, choices=3, media=EXAMPLES[wire].media)
            bound = provider.bound(wire=wire, connection=connection, fields=fields)
            _require(bound.input_tokens >= before, "A larger request must not have a smaller bound.")
            is_counted = bound.choices >= 3 or not EXAMPLES[wire].capped
            _require(is_counted, "Every choice of a request must be bounded.")
            before = bound.input_tokens


def check_signature(subject: Subject) -> None:
    """A signature is made of headers, differs with the body, and tells no secret."""
    connection, provider = subject.connection(), subject.provider
    for wire in provider.wires:
        upstream = provider.upstream(wire=wire, connection=connection)
        if not upstream.is_signed:
            continue
        signer = cast(SigningProvider, provider)
        signed = [signer.signature(connection=connection, upstream=upstream, body=body) for body in (b"{}", b'{"a":1}')]
        _require(bool(signed[0]) and signed[0] != signed[1], "A signature holds for one body alone.")
        for headers in signed:
            described = msgspec.structs.replace(upstream, headers=headers)
            _require(_is_header_safe(described), "A signature's headers must be printable, without line ends.")
            _require(not any(CANARY in value for _, value in headers), "A signature must not tell a secret.")


def check_envelope(subject: Subject) -> None:
    """Whatever the body is, something stands in place of it, and every reply has a body, however broken it came."""
    connection, provider = subject.connection(), subject.provider
    for wire in provider.wires:
        if not provider.upstream(wire=wire, connection=connection).is_enveloped:
            continue
        enveloping = cast(EnvelopingProvider, provider)
        first, second = (enveloping.enveloped(wire=wire, body=body) for body in (b"{}", b'{"a":1}'))
        _require(first != second, "An envelope holds the body.")
        for body in _GARBAGE:
            _require(type(enveloping.opened(wire=wire, body=body)) is bytes, "A reply has a body.")


def check_framing(subject: Subject) -> None:
    """Only what is a stream is read as one, and every error reply has a body, however broken it came."""
    provider = subject.provider
    if not hasattr(provider, "framing"):
        return
    framing = cast(FramingProvider, provider)
    for wire in provider.wires:
        _require(framing.framing(wire=wire, content_type="text/html") is None, "A page is no stream of events.")
        for status, body in ((status, body) for status in (400, 500) for body in _GARBAGE):
            _require(type(framing.error_in_wire(wire=wire, status=status, body=body)) is bytes, "An error has a body.")


def check_edits(subject: Subject) -> None:
    """Edits are fields of the body, and whichever cap the client gave is one the vendor enforces."""
    connection, provider = subject.connection(), subject.provider
    for wire, example in EXAMPLES.items():
        if wire not in provider.wires or not example.capped:
            continue
        if example.bare is not None:
            bare = example.read(example.bare)
            lowered = provider.maximum_edits(wire=wire, connection=connection, fields=bare, maximum=CAP - 2)
            after = example.read(splice(example.bare, lowered))
            _require(after.max_output_tokens == CAP - 2, "A maximum must cap the output.")
        for body in example.capped:
            fields = example.read(body)
            edits = provider.body_edits(wire=wire, connection=connection, fields=fields)
            edited = splice(body, {name: value for name, value in edits.items() if name not in subject.outside})
            after = example.read(edited)
            _require(after.max_output_tokens == CAP, "Edits must not change the maximum the client gave.")
            is_same = after.model == fields.model and after.messages == fields.messages
            _require(is_same, "Edits must leave model and messages alone.")
            lowered = provider.maximum_edits(wire=wire, connection=connection, fields=fields, maximum=CAP - 2)
            after = example.read(splice(edited, lowered))
            _require(after.max_output_tokens == CAP - 2, "A lowered maximum must reach every cap the client gave.")


def check_recorded_reply(subject: Subject, *, wire: Wire, body: bytes, request: bytes | None = None) -> UsageReport:
    """Read a real vendor's whole reply: every cut of it is harmless. With the request, its bound covers the usage."""
    connection = subject.connection()
    for end in range(0, len(body), max(1, len(body) // 50)):
        _read_or_unreadable(subject.provider, wire, connection, body[:end])
    report = subject.provider.read_reply(wire=wire, connection=connection, body=body)
    if report is None:
        raise NotConforming("The recorded reply reports usage, and it was not read.")
    if request is not None:
        _check_covered(subject, wire, request, report.usage)
    return report


def check_recorded_stream(
    subject: Subject, *, wire: Wire, body: bytes, fields: GoverningFields, may_hide: bool = True
) -> UsageReport:
    """Read a real vendor's stream, cut in several ways: always the same usage, and at most the usage event hidden."""
    reports, hidden, bounds = [], [], []
    for size in (1, 7, 1000, len(body)):
        meter = subject.provider.stream_meter(wire=wire, connection=subject.connection(), fields=fields)
        events = _events(body, size)
        _require(b"".join(raw for raw, _ in events) == body, "Relayed events must be the stream, byte for byte.")
        hidden.append([data for _, data in events if data and not meter.feed(data)])
        bounds += [meter.bounds()] if hasattr(meter, "bounds") else []
        reports.append(meter.report())
    _require(all(report == reports[0] for report in reports), "The usage read must not depend on how a stream is cut.")
    _require(all(item == hidden[0] for item in hidden), "What is hidden must not depend on how a stream is cut.")
    allowed = 1 if may_hide and not fields.client_wants_usage else 0
    _require(len(hidden[0]) <= allowed, "Only the usage event that the gateway asked for may be hidden.")
    _require(all(b'"choices":[]' in data.replace(b" ", b"") for data in hidden[0]), "A hidden event carries no choice.")
    report = reports[0]
    if report is None:
        raise NotConforming("The recorded stream reports usage, and it was not read.")
    for bound in bounds:
        is_kept = bound is None or bound.input_tokens >= report.usage.input_tokens
        _require(is_kept, "The bound that a meter gives early must hold to the end of the stream.")
    return report


def _check_covered(subject: Subject, wire: Wire, request: bytes, usage: Usage) -> None:
    if wire not in EXAMPLES:
        raise NotConforming(f"The kit cannot read requests of {wire}: leave the request out.")
    fields = EXAMPLES[wire].read(request)
    bound = subject.provider.bound(wire=wire, connection=subject.connection(), fields=fields)
    _require(
        bound.input_tokens >= usage.input_tokens,
        f"The bound of {bound.input_tokens} input tokens is below the {usage.input_tokens} that the vendor reported.",
    )


def _events(body: bytes, size: int) -> list[tuple[bytes, bytes | None]]:
    splitter = ArraySplitter() if body.lstrip().startswith((b"[", b"{")) else EventSplitter()
    chunks: Iterable[bytes] = (body[start : start + size] for start in range(0, len(body), max(1, size)))
    events = [event for chunk in chunks for event in splitter.feed(chunk)] + splitter.close()
    return [(event.raw, event.data) for event in events]


def _fields(*, body_bytes: int = 100, choices: int = 1, media: MediaRequest | None = None) -> GoverningFields:
    return GoverningFields(model="m", stream=True, body_bytes=body_bytes, messages=1, choices=choices, media=media)


def _is_header_safe(upstream: Upstream) -> bool:
    return all(text.isascii() and text.isprintable() for header in upstream.headers for text in header)


def _refusal(provider: Provider, wire: Wire, connection: ConnectionSettings) -> str:
    try:
        provider.upstream(wire=wire, connection=connection)
    except ConnectionInvalid as refusal:
        return str(refusal)
    raise NotConforming(
        f"A connection with the base URL {connection.base_url!r} and such a credential must be refused."
    )


def _read_or_unreadable(provider: Provider, wire: Wire, connection: ConnectionSettings, body: bytes) -> None:
    try:
        report = provider.read_reply(wire=wire, connection=connection, body=body)
    except UsageUnreadable as error:
        _require(CANARY not in str(error), "An error must not tell the credential.")
        return
    is_read = report is not None and report.usage != _NO_USE
    _require(not is_read or b"usage" in body, "Usage was read from a reply that has none.")


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise NotConforming(sentence)


def check_jobs(subject: Subject) -> None:
    """What is asked about jobs stays on the host and hides the credential; no answer, however broken, raises anything
    else than UsageUnreadable or settles a line; a line is bounded by no less than a single request.
    """
    provider, connection = subject.provider, subject.connection()
    if not takes_jobs(provider):
        return
    for kind in provider.job_kinds:
        asked = [
            provider.job_upstream(kind=kind, action=action, connection=connection, job_id="../a b")
            for action in JobAction
        ]
        if takes_files(provider):
            asked += [
                provider.file_upstream(action=action, connection=connection, file_id="../a b") for action in FileAction
            ]
        asked.append(provider.results_upstream(kind=kind, connection=connection, job_id="../a b", results="../r"))
        for upstream in asked:
            parts = urlsplit(upstream.url)
            _require(parts.netloc == urlsplit(subject.base_url).netloc, "A job must be asked for on its own host.")
            _require(CANARY not in upstream.url, "The credential must not be part of the URL, which is logged.")
            _require("/../" not in parts.path and " " not in upstream.url, "The id of a job must be quoted in its URL.")
            _require(_is_header_safe(upstream), "Header names and values must be printable, without line ends.")
        for wire in provider.wires & JOB_WIRES[kind]:
            _check_lines(subject, kind, wire)


def _check_lines(subject: Subject, kind: JobKind, wire: Wire) -> None:
    provider, connection = subject.provider, subject.connection()
    if not takes_jobs(provider):
        return
    for body in _GARBAGE:
        for read in (
            lambda body=body: provider.read_job(kind=kind, body=body),
            lambda body=body: provider.read_line(kind=kind, wire=wire, connection=connection, line=body),
        ):
            with contextlib.suppress(UsageUnreadable):
                read()
                raise NotConforming("A job, or a line of one, was read out of nothing.")
    single = provider.bound(wire=wire, connection=connection, fields=_fields())
    line = provider.line_bound(kind=kind, wire=wire, connection=connection, fields=_fields())
    is_as_wide = line.input_tokens >= single.input_tokens and line.choices >= single.choices
    _require(is_as_wide, "A line must be bounded by no less than a single request.")


PROVIDER_CHECKS: tuple[ProviderCheck, ...] = (
    check_names,
    check_upstream,
    check_bad_connections,
    check_garbage,
    check_bound,
    check_edits,
    check_signature,
    check_envelope,
    check_framing,
    check_jobs,
)
