"""HTTP/1.1 as vendors are asked: one object per connection, which carries one request after the other.

httptools (llhttp, strict) parses. Everything happens in the thread of the event loop: a client with a thread of its own
costs a call several hand-overs of the interpreter's lock, which is more than it saves (decision 14).
"""

import asyncio
import math
import time
from collections.abc import Callable

import httptools

from governance.gateway.limits import Limits
from governance.gateway.sockets import notice_dead_peer
from governance.gateway.transport import AnswerLost, NothingSent
from governance.gateway.watchdog import Watchdog

READ_BYTES = 16 * 1024
"""So much is read from a socket at a time, which is a record of TLS: the event loops' own 256 KiB would be held whole,
for each stream whose client is slow.
"""
_LARGEST_HELD_BYTES = 16 * 1024
"""More of a reply than this is not taken in before what is there was read."""
_MOST_PARTS = 64
"""So many parts of a body are joined before more are held: each costs more than a tiny chunk has bytes."""
_USUAL = ("Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Date", "Server", "X-Request-Id")
_NAMES = {spelt.encode(): spelt.lower() for name in _USUAL for spelt in (name, name.lower())}
"""Headers of every reply, as they are usually spelt: to look them up costs less than to decode them."""
_LARGEST_COPY = 64 * 1024
"""A larger body is written as it is instead of being copied behind its headers."""


class VendorConnection(asyncio.BufferedProtocol):
    """One connection to a vendor. `expires_at` and `end` are the watchdog's.

    `buffer` is what every socket of the event loop is read into, `READ_BYTES` at a time: what is in it has been parsed
    when the next one is read.

    `on_free` is told whenever it can carry another request, and `on_end` once when it is lost. A reply belongs to the
    request before it: whatever comes without being asked for, or after the end, closes the connection.
    """

    _transport: asyncio.Transport

    def __init__(
        self,
        *,
        limits: Limits,
        watchdog: Watchdog,
        buffer: memoryview,
        on_free: Callable[["VendorConnection"], None],
        on_end: Callable[["VendorConnection"], None],
    ) -> None:
        self._limits = limits
        self._watchdog = watchdog
        self._buffer = buffer
        self._on_free = on_free
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._reply: VendorReply | None = None
        self._headers: list[tuple[str, str]] = []
        self._head_bytes = 0
        self._is_spoiled = False
        self._is_reading = True
        self.expires_at = self.ends_at = math.inf

    async def ask(self, head: bytes, body: bytes) -> "VendorReply":
        """Send a request and return when its reply has begun. Raises NothingSent or AnswerLost."""
        if not self.is_usable:
            raise NothingSent("The connection closed before anything was sent on it.")
        reply = self._reply = VendorReply(self, self._loop)
        self.expires_at = time.monotonic() + self._limits.first_byte_seconds
        if len(body) <= _LARGEST_COPY:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        await reply.begins()
        return reply

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent now."""
        return not (self._reply or self._is_spoiled or self._transport.is_closing())

    def take_back(self, reply: "VendorReply") -> None:
        """The reply is of no interest any more. One that was not read to its end takes the connection with it."""
        if self._reply is not reply:
            return
        self._reply = None
        if reply.is_complete and self.is_usable and not self._transport.get_write_buffer_size():
            self.expires_at = time.monotonic() + self._limits.pool_idle_seconds
            self.resume()
            self._on_free(self)
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._is_spoiled = True
        self._transport.abort()

    def pause(self) -> None:
        """Read no more for now."""
        if self._is_reading and not self._transport.is_closing():
            self._is_reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if not self._is_reading and not self._transport.is_closing():
            self._is_reading = True
            self._transport.resume_reading()

    def end(self) -> None:
        """It was idle for too long, or the reply did not begin in time."""
        self.expires_at = math.inf
        self._fail("The answer did not begin in time.", is_timeout=True)

    # Of the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio calls it
        """See asyncio.Protocol."""
        self._transport = transport
        self._watchdog.add(self)
        notice_dead_peer(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        reply = self._reply
        if reply is None:
            self.abort()
            return
        if reply.status == 0:
            self._head_bytes += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"The answer breaks the rules of HTTP/1.1: {error}")
            return
        if reply.status == 0 and self._head_bytes > self._limits.header_bytes:
            self._fail("The answer's headers are too large.")

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol. A reply that says no length ends with its connection."""
        self._watchdog.remove(self)
        self._is_spoiled = True
        reply = self._reply
        if reply is not None and exc is None and reply.ends_with_connection:
            reply.complete()
        self._fail("The connection broke.")
        self._on_end(self)

    # Of the parser, in this order

    def on_message_begin(self) -> None:
        """A reply begins, or one that is only on the way to it (status 1xx)."""
        self._headers = []
        if self._reply is None or self._reply.status:
            self._is_spoiled = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one of the trailers, which nobody asked for. Raises ValueError where it would end a line."""
        if b"\n" in value or b"\r" in value:
            raise ValueError("A header is folded.")
        self._headers.append((_NAMES.get(name) or name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The reply has begun."""
        status = self._parser.get_status_code()
        if status >= 200 and self._reply is not None and not self._is_spoiled:
            self.expires_at = math.inf
            self._head_bytes = 0
            self._reply.begin(status, tuple(self._headers))

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._reply is not None and not self._is_spoiled:
            self._reply.take(body)

    def on_message_complete(self) -> None:
        """The reply is complete."""
        if self._reply is not None and self._reply.status and not self._is_spoiled:
            self._is_spoiled = not self._parser.should_keep_alive()
            self._reply.complete()

    def _fail(self, reason: str, *, is_timeout: bool = False) -> None:
        if self._reply is not None:
            self._reply.fail(AnswerLost(reason, is_timeout=is_timeout))
        self.abort()


class VendorReply:
    """See `governance.gateway.transport.Reply`. `is_complete`: it has come whole, read or not."""

    __slots__ = (
        "_connection",
        "_failure",
        "_held_bytes",
        "_loop",
        "_parts",
        "_waiter",
        "headers",
        "is_complete",
        "status",
    )

    def __init__(self, connection: VendorConnection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._parts: list[bytes] = []
        self._held_bytes = 0
        self._failure: AnswerLost | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: tuple[tuple[str, str], ...] = ()
        self.is_complete = False

    @property
    def ends_with_connection(self) -> bool:
        """Whether it has begun, and says nothing of its length."""
        return self.status != 0 and not any(name in _LENGTHS for name, _ in self.headers)

    async def begins(self) -> None:
        """Return when it has begun. Raises AnswerLost."""
        while not self.status:
            await self._more()

    async def next_chunk(self) -> bytes:
        """Return all that has come since, or nothing at the end. Raises AnswerLost."""
        while not self._parts:
            if self.is_complete:
                return b""
            await self._more()
        parts, self._parts = self._parts, []
        self._held_bytes = 0
        self._connection.resume()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def close(self) -> None:
        """Give the connection back."""
        self._connection.take_back(self)

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        await self._waiter

    # Of the connection

    def begin(self, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        """Status and headers are here."""
        self.status = status
        self.headers = headers
        self._wake()

    def take(self, part: bytes) -> None:
        """A part of the body is here."""
        self._parts.append(part)
        if len(self._parts) > _MOST_PARTS:
            self._parts = [b"".join(self._parts)]
        self._held_bytes += len(part)
        if self._held_bytes > _LARGEST_HELD_BYTES:
            self._connection.pause()
        self._wake()

    def complete(self) -> None:
        """All of it is here."""
        self.is_complete = True
        self._wake()

    def fail(self, failure: AnswerLost) -> None:
        """Nothing more will come. What is here can still be read."""
        if not self.is_complete and self._failure is None:
            self._failure = failure
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


_LENGTHS = frozenset({"content-length", "transfer-encoding"})
