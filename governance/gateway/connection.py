"""HTTP/1.1 as this gateway serves it: one object per client connection, from bytes to exchanges and back.

httptools (llhttp, strict) parses; uvicorn's server accepts, hands over connections and drains them. There is no ASGI in
between: a request costs one task, and an answer one write. Requests on one connection are answered one after the other.
What a client may hold is bounded: headers by size and time, an unread body by size, an answer that is not read by time.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import unquote

import httptools

from governance.core.ids import Identifiers
from governance.gateway.exchange import Exchange, Headers
from governance.gateway.limits import Limits
from governance.gateway.sockets import notice_dead_peer
from governance.gateway.watchdog import Watchdog

Answer: TypeAlias = Callable[[Exchange], Awaitable[None]]

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in HTTPStatus}
_TOO_MANY_HEADERS: Final = b"The request's headers are too large or too many: send less of them."
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_VERSIONS: Final = ("1.1", "1.0")
_LONGEST_LENGTH: Final = 18
_LARGEST_COPY: Final = 64 * 1024
"""A larger body is written as it is instead of being copied behind its headers."""


_LARGEST_UNSENT: Final = 16 * 1024
"""With more than this unsent, a client is waited for. The event loops' own is 64 KiB."""


class ServerState(Protocol):
    """What uvicorn's server keeps of all its connections (`uvicorn.server.ServerState`)."""

    connections: set[Any]
    tasks: set[asyncio.Task[None]]
    default_headers: list[tuple[bytes, bytes]]


class HttpConnection(asyncio.Protocol):
    """One client connection. `expires_at` and `end` are the watchdog's."""

    _transport: asyncio.Transport

    def __init__(
        self, *, answer: Answer, server: ServerState, watchdog: Watchdog, limits: Limits, identifiers: Identifiers
    ) -> None:
        self._answer = answer
        self._server = server
        self._watchdog = watchdog
        self._limits = limits
        self._identifiers = identifiers
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._header_lines = 0
        self._is_in_head = True
        self._is_refusing = False
        self._plain_bytes = 0
        self._receiving: Exchange | None = None
        self._current: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._is_last = False
        self._is_lost = False
        self._is_reading = True
        self._writable: asyncio.Future[None] | None = None
        self._on_lost: Callable[[], None] | None = None
        self.expires_at = self.ends_at = math.inf

    # Of the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio calls it
        """See asyncio.Protocol."""
        self._transport = transport
        transport.set_write_buffer_limits(_LARGEST_UNSENT)
        self._server.connections.add(self)
        self._watchdog.add(self)
        self.expires_at = time.monotonic() + self._limits.header_seconds
        notice_dead_peer(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._is_lost = True
        self._server.connections.discard(self)
        self._watchdog.remove(self)
        self.resume_writing()
        for exchange in (self._receiving, self._current):
            if exchange is not None:
                exchange.lose()
        self._waiting.clear()
        if self._on_lost is not None:
            self._on_lost()

    def pause_writing(self) -> None:
        """See asyncio.Protocol: the client does not read as fast as it is written to."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._is_refusing:
            self._take_plain(data)
            return
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Another protocol is not spoken here: the request is answered as it stands, and is the last one. Its body,
            # which the parser leaves alone, is read by its length (Java's own client asks for HTTP/2 with every POST).
            self._is_refusing = self._is_last = True
            self._take_plain(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if self._header_lines > self._limits.header_lines:
                self._refuse(431, _TOO_MANY_HEADERS)
            else:
                self._refuse(400, b"This is no HTTP request that can be understood.")
            return
        if self._head_bytes > self._limits.header_bytes:
            self._refuse(431, _TOO_MANY_HEADERS)

    # Of the parser, in this order

    def on_message_begin(self) -> None:
        """A request begins: another one may still be under way."""
        self._url = b""
        self._headers = {}
        self._header_lines = 0
        if not self._is_in_head:
            self._is_in_head = True
            self._head_bytes = 0
        if self._current is None:
            self.expires_at = time.monotonic() + self._limits.header_seconds

    def on_url(self, url: bytes) -> None:
        """The target, or a part of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header. One that stands twice is joined, so that a credential or a length given twice fits nothing.

        What follows a body in chunks is none: who has looked at the head, here or on the way, has not looked at that.
        """
        if not self._is_in_head:
            return
        self._header_lines += 1
        if self._header_lines > self._limits.header_lines:
            raise ValueError("There are too many headers.")
        name = name.lower()
        headers = self._headers
        headers[name] = headers[name] + b", " + value if name in headers else value

    def on_headers_complete(self) -> None:
        """Begin to answer, or queue the request behind the one that is being answered."""
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            raise ValueError(f"HTTP/{version} is not spoken here.")
        self._is_in_head = False
        self._head_bytes = 0
        path, query = _target(self._url)
        exchange = self._receiving = Exchange(
            self,
            request_id=self._identifiers(time.time_ns() // 1_000_000),
            method=self._parser.get_method().decode("ascii"),
            path=path,
            query=query,
            headers=self._headers,
        )
        exchange.has_chunks = version == "1.1"
        exchange.is_last = not (exchange.has_chunks and self._parser.should_keep_alive())
        if self._current is None:
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            self._pause_reading()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._head_bytes = 0
        if self._receiving is not None and not self._receiving.take(body):
            self._pause_reading()

    def on_message_complete(self) -> None:
        """The request is complete."""
        if not self._parser.should_upgrade():
            self._end_body()

    # Of the exchange

    def read_on(self) -> None:
        """Take in the rest of the body, and let the client know that it is wanted."""
        receiving = self._receiving
        if receiving is not None and receiving.headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(_CONTINUE)
        self._resume_reading()

    async def begin_response(self, exchange: Exchange, status: int, headers: Headers) -> None:
        """Send status and headers of a response whose length is not known yet."""
        if exchange.has_chunks:
            headers.append((b"transfer-encoding", b"chunked"))
        await self._send(exchange, self._head(status, headers, is_last=exchange.is_last))

    def continue_at_once(self, exchange: Exchange, body: bytes) -> bool:
        """Send a part of its body if that needs no waiting; else nothing was sent."""
        if self._writable is not None or self._current is not exchange:
            return False
        if not self._is_lost:
            self._transport.write(b"%x\r\n%b\r\n" % (len(body), body) if exchange.has_chunks else body)
        return True

    async def continue_response(self, exchange: Exchange, body: bytes, *, is_last: bool) -> None:
        """Send a part of its body; returns when the client takes more."""
        if self._writable is not None:
            # Before the part is framed: while it waits it is held once.
            await self._writing()
        if exchange.has_chunks:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if is_last:
                body += b"0\r\n\r\n"
        self._write(exchange, body)
        if is_last:
            self._complete(exchange)

    async def respond(self, exchange: Exchange, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response. A client that still does not read what was sent before is waited for only so long."""
        self.expires_at = time.monotonic() + self._limits.write_stall_seconds
        headers.append((b"content-length", b"%d" % len(body)))
        head = self._head(status, headers, is_last=exchange.is_last)
        if exchange.method == "HEAD":
            body = b""
        for data in (head + body,) if len(body) <= _LARGEST_COPY else (head, body):
            if self._writable is not None:
                await self._writing()
            self._write(exchange, data)
        self._complete(exchange)

    def watch(self, on_lost: Callable[[], None]) -> bool:
        """Call this once when the connection is lost; False, without calling it, if it is lost already.

        There is one to tell: requests follow each other. Reading goes on, since what is not read cannot be seen to end.
        """
        if self._is_lost:
            return False
        self._on_lost = on_lost
        if not self._waiting:
            self._resume_reading()
        return True

    def unwatch(self, on_lost: Callable[[], None]) -> None:
        """Tell this one no more. The next request's stays, if it has come in the meantime."""
        if self._on_lost == on_lost:
            self._on_lost = None

    def abort(self) -> None:
        """Close at once, without sending what is still buffered."""
        self._transport.abort()

    # Of the server and the watchdog

    def shutdown(self) -> None:
        """The server stops: close when nothing is being answered any more."""
        self._is_last = True
        if self._current is None:
            self._transport.close()

    def end(self) -> None:
        """Nothing came, or nothing was read, for too long."""
        self.expires_at = math.inf
        self._transport.abort()

    # Inside

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self.expires_at = math.inf
        exchange.task = asyncio.get_running_loop().create_task(self._run(exchange))
        self._server.tasks.add(exchange.task)

    async def _run(self, exchange: Exchange) -> None:
        try:
            await self._answer(exchange)
        finally:
            self._server.tasks.discard(exchange.task)
            if self._current is exchange:
                # It ended without a whole answer: what was sent cannot be told from the next one.
                self._transport.abort()

    def _complete(self, exchange: Exchange) -> None:
        """The answer is written: the next request's turn, or the end."""
        exchange.is_answered = True
        self._current = None
        if self._is_lost:
            return
        if self._is_last or exchange.is_last:
            self._transport.close()
            self.expires_at = time.monotonic() + self._limits.write_stall_seconds
            return
        if self._waiting:
            self._begin(self._waiting.popleft())
        else:
            self._wait_for_next()
        if not self._waiting:
            self._resume_reading()

    def _wait_for_next(self) -> None:
        """Be idle, or wait for the rest of a head that began meanwhile, or of a request that was answered already."""
        limits = self._limits
        is_idle = self._receiving is None and not self._is_in_head
        seconds = limits.keep_alive_seconds if is_idle else limits.header_seconds
        self.expires_at = time.monotonic() + seconds

    def _head(self, status: int, headers: Headers, *, is_last: bool) -> bytes:
        """Return status line and headers. Raises ValueError where a value would begin a header of its own."""
        every = [*self._server.default_headers, *headers]
        if is_last or self._is_last:
            every.append((b"connection", b"close"))
        lines = b"".join([b"%b: %b\r\n" % header for header in every])
        if lines.count(b"\n") != len(every) or lines.count(b"\r") != len(every):
            raise ValueError("A header of the response holds a line break.")
        return b"%b%b\r\n" % (_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, lines)

    async def _send(self, exchange: Exchange, data: bytes) -> None:
        if self._writable is not None:
            await self._writing()
        self._write(exchange, data)

    async def _writing(self) -> None:
        """Return when the client takes more."""
        while self._writable is not None:
            await asyncio.shield(self._writable)

    def _write(self, exchange: Exchange, data: bytes) -> None:
        if self._current is not exchange:
            raise RuntimeError("An exchange was answered out of its turn.")
        if data and not self._is_lost:
            self._transport.write(data)

    def _refuse(self, status: int, sentence: bytes) -> None:
        """Answer what is no request of HTTP, unless something is being answered; then the rest is not read."""
        self._is_refusing = self._is_last = True
        receiving, self._receiving = self._receiving, None
        if receiving is not None:
            receiving.break_off()
        if self._current is not None:
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(sentence))]
        self._transport.write(self._head(status, headers, is_last=True) + sentence)
        self._transport.close()

    def _take_plain(self, data: bytes) -> None:
        """Take the body of a request that wished for another protocol."""
        exchange = self._receiving
        if exchange is None:
            return
        declared = exchange.headers.get(b"content-length", b"0")
        left = (int(declared) if declared.isdigit() and len(declared) <= _LONGEST_LENGTH else 0) - self._plain_bytes
        self._plain_bytes += len(data)
        if data and left > 0:
            self.on_body(data[:left])
        if len(data) >= left:
            self._end_body()

    def _end_body(self) -> None:
        exchange, self._receiving = self._receiving, None
        if exchange is not None:
            exchange.end_body()
            if self._current is None:
                self._wait_for_next()

    def _pause_reading(self) -> None:
        if self._is_reading and not self._transport.is_closing():
            self._is_reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._is_reading and not self._transport.is_closing():
            self._is_reading = True
            self._transport.resume_reading()


def _target(url: bytes) -> tuple[str, bytes]:
    """Return path and query of a request's target. Raises httptools.HttpParserInvalidURLError or UnicodeDecodeError."""
    if url.startswith(b"/"):
        path, _, query = url.partition(b"?")
    else:
        parsed = httptools.parse_url(url)
        path, query = parsed.path or b"", parsed.query or b""
    text = path.decode("ascii")
    return (unquote(text) if "%" in text else text), query
