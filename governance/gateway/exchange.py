"""One HTTP request and its response, as ASGI gives them, with what is known about it for logs and metrics."""

import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeAlias

from governance.core.errors import RequestTooLarge
from governance.core.ids import uuid7
from governance.gateway.errors import EncodingUnsupported, RequestTimedOut
from governance.gateway.limits import Limits
from governance.gateway.watchdog import Overdue, Waiting, Watchdog
from governance.plugin.usage import Usage

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")


class ClientGone(Exception):
    """The client went away before its request, or its answer, was complete."""


class Connection(Protocol):
    """What the server's protocol offers beyond ASGI: `WatchedProtocol`."""

    def abort(self) -> None:
        """Close at once."""

    def watch(self, on_lost: Callable[[], None]) -> bool:
        """Call this when the connection is lost; False if it is."""

    def unwatch(self, on_lost: Callable[[], None]) -> None:
        """Do not call it any more."""


class Facts:
    """What logs and metrics say about one request; filled in on its way. Times in seconds (`time.perf_counter`)."""

    __slots__ = (
        "alias",
        "attempt_id",
        "charge_nano",
        "code",
        "first_byte_at",
        "is_logged",
        "is_stream",
        "key_id",
        "outcome",
        "route",
        "sent_at",
        "started_at",
        "status",
        "team_id",
        "usage",
        "vendor_seconds",
    )

    def __init__(self) -> None:
        self.started_at = time.perf_counter()
        self.sent_at: float | None = None
        self.first_byte_at: float | None = None
        self.vendor_seconds = 0.0
        self.route = "none"
        self.status = 0
        self.code = ""
        self.outcome = ""
        self.alias = ""
        self.key_id: int | None = None
        self.team_id: int | None = None
        self.attempt_id: uuid.UUID | None = None
        self.is_stream = False
        self.is_logged = True
        self.usage: Usage | None = None
        self.charge_nano: int | None = None


class Exchange:
    """Reads the request within limits and writes the response once."""

    __slots__ = (
        "_connection",
        "_receive",
        "_send",
        "facts",
        "has_started",
        "headers",
        "is_whole",
        "limit_headers",
        "request_id",
        "scope",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._connection: Connection = scope["extensions"]["bursar.connection"]
        self.headers: dict[bytes, bytes] = {}
        self.request_id = uuid7(time.time_ns() // 1_000_000)
        self.facts = Facts()
        self.has_started = False
        self.is_whole = False
        self.limit_headers: Headers = []
        """What rate limits leave this client. They stand in for the vendor's, which are about Bursar's own account."""
        for name, value in scope["headers"]:
            # A header that stands twice is joined, so that a credential or a length given twice fits nothing.
            self.headers[name] = self.headers[name] + b", " + value if name in self.headers else value

    async def body(self, *, limits: Limits, watchdog: Watchdog, now: float) -> bytes:
        """Return the whole body. Refused while it is read, before more of it is held than the limit."""
        if self.headers.get(b"content-encoding", b"identity").lower() not in (b"", b"identity"):
            raise EncodingUnsupported("The request body is compressed: send it without a Content-Encoding.")
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and (len(declared) > 18 or int(declared) > limits.body_bytes):
            raise _too_large(limits)
        try:
            with watchdog.watch(ends_at=now + limits.body_seconds) as patience:
                patience.until(now + limits.body_seconds, Waiting.BODY)
                return await self._read(limits)
        except Overdue as overdue:
            raise RequestTimedOut(
                f"The request body did not arrive within {limits.body_seconds:g} seconds: send it faster."
            ) from overdue

    async def _read(self, limits: Limits) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > limits.body_bytes:
                raise _too_large(limits)
            if not message.get("more_body", False):
                return b"".join((*parts, part)) if parts else part
            parts.append(part)

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers, with the request's id."""
        self.has_started = True
        self.facts.status = status
        headers.append((b"x-request-id", str(self.request_id).encode()))
        if self.limit_headers:
            headers = [each for each in headers if not each[0].startswith(b"x-ratelimit-")] + self.limit_headers
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes, *, is_last: bool) -> None:
        """Send a part of the body; returns when the connection takes more."""
        await self._send({"type": "http.response.body", "body": body, "more_body": not is_last})

    async def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response."""
        self.is_whole = True
        headers.append((b"content-length", b"%d" % len(body)))
        await self.start(status, headers)
        await self.write(body, is_last=True)

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


def _too_large(limits: Limits) -> RequestTooLarge:
    return RequestTooLarge(f"The request body is larger than {limits.body_bytes} bytes: send less.")
