"""The streaming upstream, a process of its own: `python -m tests.bench.stream_upstream FD GAP_SECONDS`.

It answers every POST with the same events, the first one at once and then one per gap, each in a write of its own: that
is how a vendor sends them. Streams are spread over the milliseconds of a gap, so that they do not all tick together.
"""

import asyncio
import socket
import sys
from typing import cast

import uvloop

from tests.bench.payloads import EVENTS, SLOW_WORD

_SLOW_FACTOR = 20
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_CHUNKS = tuple(b"%x\r\n%s\r\n" % (len(event), event) for event in EVENTS)
_END = b"0\r\n\r\n"


class _Answer(asyncio.Protocol):
    """One connection: requests one after the other, each answered by one stream."""

    def __init__(self, gap_seconds: float) -> None:
        self.gap_seconds = gap_seconds
        self.received = b""
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, mark, body = self.received.partition(b"\r\n\r\n")
        if not mark or len(body) < _content_length(head):
            return
        self.received = b""
        gap = self.gap_seconds * (_SLOW_FACTOR if SLOW_WORD.encode() in body else 1)
        self.transport.write(_HEAD + _CHUNKS[0])
        self._later(1, self.loop.time() + gap, gap)

    def _later(self, number: int, due: float, gap: float) -> None:
        self.loop.call_at(due, self._send, number, due, gap)

    def _send(self, number: int, due: float, gap: float) -> None:
        if self.transport.is_closing():
            return
        if number == len(_CHUNKS) - 1:
            self.transport.write(_CHUNKS[number] + _END)
        else:
            self.transport.write(_CHUNKS[number])
            self._later(number + 1, due + gap, gap)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def _serve(listener: socket.socket, gap_seconds: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Answer(gap_seconds), sock=listener, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(socket.socket(fileno=int(sys.argv[1])), float(sys.argv[2])))
