"""One HTTP request and its response, with what is known about it for logs and metrics."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from governance.core.errors import BadRequest, RequestTooLarge
from governance.core.ids import uuid_text
from governance.gateway.errors import EncodingUnsupported, RequestTimedOut
from governance.gateway.limits import Limits
from governance.gateway.recording import Recording
from governance.gateway.watchdog import Overdue, Waiting, Watchdog
from governance.plugin.usage import Usage

Headers: TypeAlias = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")


class ClientGone(Exception):
    """The client went away before its request, or its answer, was complete."""


class Connection(Protocol):
    """What carries an exchange: `HttpConnection`."""

    def read_on(self) -> None:
        """Take in the rest of the body."""

    async def begin_response(self, exchange: "Exchange", status: int, headers: Headers) -> None:
        """Send status and headers of a response whose length is not known yet."""

    def continue_at_once(self, exchange: "Exchange", body: bytes) -> bool:
        """Send a part of its body if that needs no waiting; else nothing was sent."""

    async def continue_response(self, exchange: "Exchange", body: bytes, *, is_last: bool) -> None:
        """Send a part of its body; returns when the client takes more."""

    async def respond(self, exchange: "Exchange", status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response."""

    def watch(self, on_lost: Callable[[], None]) -> bool:
        """Call this when the connection is lost; False if it is."""

    def unwatch(self, on_lost: Callable[[], None]) -> None:
        """Do not call it any more."""

    def abort(self) -> None:
        """Close at once."""


class Facts:
    """What logs and metrics say about one request; filled in on its way. Times in seconds (`time.perf_counter`)."""

    sent_at: float | None = None
    first_byte_at: float | None = None
    vendor_seconds = 0.0
    route = "none"
    status = 0
    code = ""
    outcome = ""
    alias = ""
    key_id: int | None = None
    team_id: int | None = None
    attempt_id: uuid.UUID | None = None
    attempts = 0
    was_sent = False
    is_stream = False
    is_logged = True
    usage: Usage | None = None
    charge_nano: int | None = None
    cost_usd = ""
    findings: Mapping[tuple[str, str, str], int] = {}
    """How much guards found: by guard, kind and what became of it."""
    failed_guard = ""

    def __init__(self) -> None:
        self.started_at = time.perf_counter()


class Exchange:
    """Hands out the request within limits and writes the response once.

    `task` is the one that answers it. `has_chunks`: the client understands an answer in chunks; `is_last`: its
    connection ends with this answer. `is_whole`: the answer goes out in one piece, or is of a kind that has no place
    for an error, such as audio; `is_answered`: it was written.
    """

    __slots__ = (
        "_body",
        "_connection",
        "_is_broken",
        "_is_gone",
        "_is_received",
        "_largest_body",
        "_received_bytes",
        "_waiter",
        "facts",
        "has_chunks",
        "has_started",
        "headers",
        "is_answered",
        "is_last",
        "is_whole",
        "limit_headers",
        "method",
        "named",
        "path",
        "query",
        "recording",
        "request_id",
        "task",
    )

    task: "asyncio.Task[None]"

    def __init__(
        self,
        connection: Connection,
        *,
        request_id: uuid.UUID,
        method: str,
        path: str,
        query: bytes,
        headers: dict[bytes, bytes],
    ) -> None:
        self._connection = connection
        self._body: list[bytes] = []
        self._received_bytes = 0
        self._largest_body: int | None = None
        self._is_received = False
        self._is_broken = False
        self._is_gone = False
        self._waiter: asyncio.Future[None] | None = None
        self.method = method
        self.path = path
        self.named = ""
        """What stands in the path for the name in its route's."""
        self.query = query
        self.headers = headers
        self.request_id = request_id
        self.facts = Facts()
        self.has_chunks = True
        self.has_started = False
        self.is_answered = False
        self.is_last = False
        self.is_whole = False
        self.recording: Recording | None = None
        """Keeps what goes out, where somebody wants that."""
        self.limit_headers: Headers = []
        """What rate limits leave this client. They stand in for the vendor's, which are about Bursar's own account."""

    async def body(self, *, limits: Limits, largest: int, watchdog: Watchdog, now: float) -> bytes:
        """Return the whole body. Refused while it is read, before more of it is held than `largest` bytes."""
        if self.headers.get(b"content-encoding", b"identity").lower() not in (b"", b"identity"):
            raise EncodingUnsupported("The request body is compressed: send it without a Content-Encoding.")
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and (len(declared) > 18 or int(declared) > largest):
            raise _too_large(largest)
        if not self._is_received:
            try:
                with watchdog.watch(self.task, ends_at=now + limits.body_seconds) as patience:
                    patience.waiting = Waiting.BODY
                    await self._receive(largest)
            except Overdue as overdue:
                raise RequestTimedOut(
                    f"The request body did not arrive within {limits.body_seconds:g} seconds: send it faster."
                ) from overdue
        if self._received_bytes > largest:
            raise _too_large(largest)
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    async def _receive(self, largest: int) -> None:
        self._largest_body = largest
        self._connection.read_on()
        is_over = self._is_received or self._is_gone or self._is_broken
        if not is_over and self._received_bytes <= largest:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._is_gone:
            raise ClientGone
        if self._is_broken:
            raise BadRequest("The request body breaks the rules of HTTP/1.1: send it whole, or in whole chunks.")

    def take(self, part: bytes) -> bool:
        """Take a part of the body; False when no more of it should be read before it is asked for."""
        if self.is_answered:
            return True
        self._received_bytes += len(part)
        if self._largest_body is None:
            self._body.append(part)
            return self._received_bytes <= _UNASKED_BYTES
        if self._received_bytes > self._largest_body:
            self._wake()
        else:
            self._body.append(part)
        return True

    def end_body(self) -> None:
        """The body is complete."""
        self._is_received = True
        self._wake()

    def break_off(self) -> None:
        """The rest of the body cannot be understood."""
        self._is_broken = True
        self._wake()

    def lose(self) -> None:
        """The connection is lost: nothing more will come."""
        self._is_gone = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers, with the request's id."""
        self.has_started = True
        self.facts.status = status
        headers.append((b"x-request-id", uuid_text(self.request_id)))
        if self.recording is not None:
            self.recording.begin(status, headers)
        await self._connection.begin_response(self, status, self._limited(headers))

    def write_at_once(self, body: bytes) -> bool:
        """Send a part of the body (never an empty one) if the connection takes more now; else nothing was sent."""
        is_sent = self._connection.continue_at_once(self, body)
        if self.recording is not None and is_sent:
            self.recording.add(body)
        return is_sent

    async def write(self, body: bytes, *, is_last: bool) -> None:
        """Send a part of the body; returns when the connection takes more."""
        if self.recording is not None:
            self.recording.add(body)
        await self._connection.continue_response(self, body, is_last=is_last)

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response."""
        self.has_started = self.is_whole = True
        self.facts.status = status
        headers.append((b"x-request-id", uuid_text(self.request_id)))
        if self.recording is not None:
            self.recording.begin(status, headers)
            self.recording.add(body)
        await self._connection.respond(self, status, self._limited(headers), body)

    def record(self, most: int) -> Recording:
        """Keep what goes out from now on, at least so many bytes of it."""
        if self.recording is None:
            self.recording = Recording(most)
        else:
            self.recording.most = max(self.recording.most, most)
        return self.recording

    def _limited(self, headers: Headers) -> Headers:
        if not self.limit_headers:
            return headers
        return [each for each in headers if not each[0].startswith(_VENDORS_LIMITS)] + self.limit_headers

    def watch(self, on_gone: Callable[[], None]) -> None:
        """Call this when the client goes away: a server that does not ask never learns it. Raises ClientGone."""
        if not self._connection.watch(on_gone):
            raise ClientGone

    def unwatch(self, on_gone: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._connection.unwatch(on_gone)

    def abort(self) -> None:
        """Close the connection at once, without sending what is still buffered."""
        self._connection.abort()


_VENDORS_LIMITS = (b"x-ratelimit-", b"anthropic-ratelimit-")
_UNASKED_BYTES = 64 * 1024
"""So much of a body is taken in before anybody wants it: most requests are complete before their key was looked at."""


def _too_large(largest: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than {largest} bytes: send less.")
