"""The load generator, a process of its own: `python -m tests.bench.load`; order as JSON on stdin, result on stdout.

Closed loop: every connection sends its next request when its reply is complete, every reply is compared byte for byte,
and at the end each connection finishes the call it is in, so that the count of calls is exact.
"""

import itertools
import selectors
import socket
import sys
import time
from collections.abc import Callable

import msgspec

from tests.bench.replies import ReplyWrong, call, connect, expect

_READ_BYTES = 262_144
_SILENCE_SECONDS = 60
_EVENT_BEGINS = b"data: "


class LoadOrder(msgspec.Struct, kw_only=True):
    """What to do. `kind` is `throughput`, `latency` or `streams`; a stop comes by `seconds` or after `calls`.

    Connections take turns with the `requests`, each keeping to one of them. Every reply must be the `expected` one.
    """

    kind: str
    port: int
    requests: list[bytes]
    expected: bytes
    connections: int = 1
    seconds: float = 0
    calls: int = 0
    ramp_seconds: float = 0


class LoadResult(msgspec.Struct, kw_only=True):
    """`latencies_us`: of whole calls (latency) or until the first event (streams); empty for throughput."""

    calls: int
    seconds: float
    latencies_us: list[float] = []


def run_throughput(order: LoadOrder) -> LoadResult:
    """Keep all connections busy until the time is over."""
    poller, sockets = _open_all(order)
    partial: dict[int, bytearray] = {}
    started = time.perf_counter()
    deadline = started + order.seconds
    calls = 0
    requests = dict(zip(sockets, itertools.cycle(order.requests), strict=False))
    for descriptor, connection in sockets.items():
        connection.send(requests[descriptor])
    while sockets:
        ready = poller.select(_SILENCE_SECONDS)
        if not ready:
            raise ReplyWrong(f"{len(sockets)} connections heard nothing for {_SILENCE_SECONDS} s")
        is_over = time.perf_counter() >= deadline
        for key, _ in ready:
            connection = sockets[key.fd]
            piece = connection.recv(_READ_BYTES)
            if key.fd in partial or not _is_whole_reply(piece, order.expected):
                raw = partial.setdefault(key.fd, bytearray())
                raw += piece
                if not piece:
                    raise ReplyWrong(f"the connection was closed after {len(raw)} bytes: {bytes(raw[:600])!r}")
                if not expect(raw, order.expected):
                    continue
                del partial[key.fd]
            calls += 1
            if is_over:
                poller.unregister(connection)
                sockets.pop(key.fd).close()
            else:
                connection.send(requests[key.fd])
    return LoadResult(calls=calls, seconds=time.perf_counter() - started)


def _is_whole_reply(piece: bytes, expected: bytes) -> bool:
    """The common case in two comparisons: a 200 with a declared length whose last bytes are the whole body."""
    return piece.endswith(expected) and piece.startswith(b"HTTP/1.1 200")


def run_latency(order: LoadOrder) -> LoadResult:
    """Make one call after the other over one connection."""
    connection = connect(order.port)
    requests = itertools.cycle(order.requests)
    latencies: list[float] = []
    started = time.perf_counter()
    deadline = started + order.seconds if order.seconds else float("inf")
    while time.perf_counter() < deadline and (not order.calls or len(latencies) < order.calls):
        sent = time.perf_counter_ns()
        call(connection, next(requests), order.expected)
        latencies.append((time.perf_counter_ns() - sent) / 1000)
    connection.close()
    return LoadResult(calls=len(latencies), seconds=time.perf_counter() - started, latencies_us=latencies)


class _Stream:
    """One connection that reads one stream after the other."""

    __slots__ = ("connection", "raw", "sent_ns")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.raw = bytearray()
        self.sent_ns = 0

    def send(self, request: bytes) -> None:
        self.raw.clear()
        self.sent_ns = time.perf_counter_ns()
        self.connection.send(request)

    def read(self) -> bool:
        """Take what has come; return whether these bytes held the first event's beginning."""
        was_before = _EVENT_BEGINS not in self.raw
        piece = self.connection.recv(_READ_BYTES)
        if not piece:
            raise ReplyWrong(f"the stream was closed after {len(self.raw)} bytes: {bytes(self.raw[:600])!r}")
        self.raw += piece
        return was_before and _EVENT_BEGINS in self.raw

    def is_complete(self, expected: bytes) -> bool:
        return self.raw.endswith(b"0\r\n\r\n") and expect(self.raw, expected)


def run_streams(order: LoadOrder) -> LoadResult:
    """Keep that many streams open until the time is over (or each connection has read `calls` streams)."""
    poller, sockets = _open_all(order)
    waiting = [_Stream(connection) for connection in sockets.values()]
    by_descriptor = {stream.connection.fileno(): stream for stream in waiting}
    left = dict.fromkeys(by_descriptor, order.calls or sys.maxsize)
    started = time.perf_counter()
    gap = order.ramp_seconds / len(waiting)
    result = LoadResult(calls=0, seconds=0)
    while by_descriptor:
        elapsed = time.perf_counter() - started
        while waiting and elapsed >= (order.connections - len(waiting)) * gap:
            waiting.pop(0).send(order.requests[0])
        ready = poller.select(gap if waiting else _SILENCE_SECONDS)
        if not ready and not waiting:
            raise ReplyWrong(f"{len(by_descriptor)} streams heard nothing for {_SILENCE_SECONDS} s")
        is_over = bool(order.seconds) and elapsed >= order.seconds
        for key, _ in ready:
            stream = by_descriptor[key.fd]
            if stream.read():
                result.latencies_us.append((time.perf_counter_ns() - stream.sent_ns) / 1000)
            if not stream.is_complete(order.expected):
                continue
            result.calls += 1
            left[key.fd] -= 1
            if is_over or not left[key.fd]:
                poller.unregister(stream.connection)
                by_descriptor.pop(key.fd).connection.close()
            else:
                stream.send(order.requests[0])
    result.seconds = time.perf_counter() - started
    return result


def _open_all(order: LoadOrder) -> tuple[selectors.DefaultSelector, dict[int, socket.socket]]:
    poller = selectors.DefaultSelector()
    sockets = {}
    for _ in range(order.connections):
        connection = connect(order.port)
        poller.register(connection, selectors.EVENT_READ)
        sockets[connection.fileno()] = connection
    return poller, sockets


_KINDS: dict[str, Callable[[LoadOrder], LoadResult]] = {
    "throughput": run_throughput,
    "latency": run_latency,
    "streams": run_streams,
}


def main() -> int:
    """Carry out the order on stdin."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadOrder)
    try:
        result = _KINDS[order.kind](order)
    except ReplyWrong as error:
        print(f"The load generator stopped: {error}.", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
