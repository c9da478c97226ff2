"""uvicorn's HTTP protocol with what a server at the edge needs besides: deadlines and limits for headers, an abort, and
word of a client that has gone.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from governance.gateway.limits import Limits

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class WatchedProtocol(HttpToolsProtocol):
    """Tells the request under way when its connection is lost, and can be closed at once."""

    _is_lost = False
    _on_lost: Callable[[], None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._is_lost = True
        if self._on_lost is not None:
            self._on_lost()

    def abort(self) -> None:
        """Close the connection at once, without sending what is still buffered."""
        self.transport.abort()

    def watch(self, on_lost: Callable[[], None]) -> bool:
        """Call this once when the connection is lost; False, without calling it, if it is lost already.

        Requests on one connection follow each other, so that there is one to tell. A body that came in one piece
        may have paused reading, and what is not read cannot be seen to end.
        """
        if self._is_lost:
            return False
        self._on_lost = on_lost
        self.flow.resume_reading()
        return True

    def unwatch(self, on_lost: Callable[[], None]) -> None:
        """Tell this one no more. The next request's stays, if it has come in the meantime."""
        if self._on_lost == on_lost:
            self._on_lost = None


def protocol_class(limits: Limits) -> type[asyncio.Protocol]:
    """Return the protocol with these limits."""

    class GatewayProtocol(WatchedProtocol):
        """Counts header bytes until they are complete, and closes connections that take too long over them."""

        _header_bytes = 0
        _has_headers = False
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
            super().connection_made(transport)
            self._expect_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if not self._has_headers:
                self._header_bytes += len(data)
            super().data_received(data)
            if not self._has_headers and self._header_bytes > limits.header_bytes:
                self.transport.write(_TOO_LARGE)
                self.transport.close()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {"bursar.connection": self}  # type: ignore[dict-item]  # not a dict
            if self._has_headers:
                self._expect_headers()

        def on_headers_complete(self) -> None:
            self._has_headers = True
            self._stop_waiting()
            super().on_headers_complete()

        def _expect_headers(self) -> None:
            self._has_headers = False
            self._header_bytes = 0
            self._stop_waiting()
            self._deadline = self.loop.call_later(limits.header_seconds, self._give_up)

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _give_up(self) -> None:
            if not self._has_headers:
                self.transport.abort()

    return GatewayProtocol


def server_options(limits: Limits) -> dict[str, Any]:
    """Return uvicorn's options: nothing that is not needed, and deadlines that fit."""
    return {
        "http": protocol_class(limits),
        "ws": "none",
        "loop": "uvloop",
        "lifespan": "off",
        "interface": "asgi3",
        "access_log": False,
        "log_config": None,
        "proxy_headers": False,
        "server_header": False,
        "backlog": limits.backlog,
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": limits.drain_seconds,
    }
