"""Reading HTTP/1.1 replies off raw sockets, no more than the bench needs."""

import socket

_HEAD_END = b"\r\n\r\n"
_READ_BYTES = 262_144


class ReplyWrong(Exception):
    """A reply was not the one that the upstream serves. The message shows its beginning."""


def body_of(raw: bytes | bytearray) -> bytes | None:
    """Return the body of one reply, without its framing; None while it is incomplete. Raises ReplyWrong."""
    end = raw.find(_HEAD_END)
    if end < 0:
        return None
    if not raw.startswith(b"HTTP/1.1 200"):
        raise ReplyWrong(f"a reply that is not 200: {bytes(raw[:600])!r}")
    head, rest = bytes(raw[:end]).lower(), raw[end + len(_HEAD_END) :]
    if b"transfer-encoding: chunked" in head:
        return _dechunked(rest) if rest.endswith(b"0\r\n\r\n") else None
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    return bytes(rest) if len(rest) >= length else None


def _dechunked(rest: bytes | bytearray) -> bytes | None:
    parts: list[bytes] = []
    position = 0
    while True:
        line_end = rest.find(b"\r\n", position)
        if line_end < 0:
            return None
        size = int(rest[position:line_end], 16)
        if size == 0:
            return b"".join(parts)
        start = line_end + 2
        parts.append(bytes(rest[start : start + size]))
        position = start + size + 2


def expect(raw: bytes | bytearray, expected: bytes) -> bool:
    """Return whether the reply is complete. Raises ReplyWrong when it is, but is not the expected one."""
    body = body_of(raw)
    if body is None:
        return False
    if body != expected:
        raise ReplyWrong(f"a reply of {len(body)} bytes where {len(expected)} were expected: {body[:600]!r}")
    return True


def connect(port: int) -> socket.socket:
    """Return a connection to this port of the machine itself, without Nagle's delay."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def call(connection: socket.socket, request: bytes, expected: bytes) -> None:
    """Send one request and read its reply whole. Raises ReplyWrong."""
    reply = ask(connection, request)
    if reply != expected:
        raise ReplyWrong(f"a reply of {len(reply)} bytes where {len(expected)} were expected: {reply[:600]!r}")


def ask(connection: socket.socket, request: bytes) -> bytes:
    """Send one request and return the body of its reply. Raises ReplyWrong."""
    connection.sendall(request)
    raw = bytearray()
    while True:
        piece = connection.recv(_READ_BYTES)
        if not piece:
            raise ReplyWrong(f"the connection was closed after {len(raw)} bytes: {bytes(raw[:600])!r}")
        raw += piece
        if (body := body_of(raw)) is not None:
            return body
