"""How attackers speak: bytes on a bare connection, and everything that comes back."""

import asyncio
import contextlib
import json

from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, question

SMUGGLED = "smuggled"


def port_of(served: Served) -> int:
    """Return the port that a gateway listens on."""
    return int(served.url.rpartition(":")[2])


def head(key: str, *lines: bytes, path: bytes = b"/v1/chat/completions", method: bytes = b"POST") -> bytes:
    """Return the head of a request with this key and these further lines, as they are."""
    first = (method + b" " + path + b" HTTP/1.1", b"Host: x", b"Authorization: Bearer " + key.encode())
    return b"\r\n".join((*first, *lines)) + b"\r\n\r\n"


def whole(key: str, text: str = "Hi", *lines: bytes) -> bytes:
    """Return a request that is as it should be, but for these further lines."""
    body = json.dumps(question(text)).encode()
    return head(key, b"Content-Length: %d" % len(body), *lines) + body


async def told(served: Served, *parts: bytes) -> bytes:
    """Send this on a connection of its own; return everything that is said until the gateway closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(served))
    said = b""
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while part := await reader.read(65_536):
                said += part
    writer.close()
    return said


def statuses(said: bytes) -> list[int]:
    """Return the statuses of the answers in these bytes."""
    return [int(line[9:12]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def asked(vendor: Vendor) -> list[str]:
    """Return the questions that reached the vendor."""
    return [call.json["messages"][0]["content"] for call in vendor.calls]
