"""Connections to vendors: opened when there is none to spare, kept for a while, and used again, the latest first.

HTTP/1.1 only: over HTTP/2 all calls to a vendor would queue for the streams of one connection.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import cached_property, lru_cache, partial
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from governance.gateway.limits import Limits
from governance.gateway.transport import NothingSent, Reply
from governance.gateway.vendor_connection import READ_BYTES, VendorConnection
from governance.gateway.watchdog import Watchdog
from governance.plugin.provider import Upstream

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]

USER_AGENT: Final = "bursar"
MOST_ADDRESSES: Final = 4
"""So many addresses of a host are tried, each for its share of the time to connect."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


class VendorPool:
    """See `governance.gateway.transport.Transport`.

    Certificates are checked against those that the machine trusts (SSL_CERT_FILE and SSL_CERT_DIR name others). No name
    is kept longer than a connection lives, so that a vendor who moves is followed.
    """

    def __init__(self, limits: Limits, *, watchdog: Watchdog, resolve: Resolve | None = None) -> None:
        self._limits = limits
        self._resolve = resolve or addresses_of
        self._watchdog = watchdog
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._free: dict[Origin, dict[VendorConnection, None]] = {}
        self._is_closed = False

    async def send(self, *, upstream: Upstream, body: bytes, signature: Sequence[tuple[str, str]] = ()) -> Reply:
        """See Transport."""
        origin, head = _request(upstream)
        if signature:
            head += _lines(signature)
        free = self._free.get(origin)
        connection = free.popitem()[0] if free else await self._connect(origin)
        try:
            return await connection.ask(b"%bcontent-length: %d\r\n\r\n" % (head, len(body)), body)
        except BaseException:
            connection.abort()
            raise

    async def close(self) -> None:
        """See Transport."""
        self._is_closed = True
        for free in self._free.values():
            for connection in tuple(free):
                connection.abort()

    async def _connect(self, origin: Origin) -> VendorConnection:
        limits = self._limits
        make = partial(
            VendorConnection,
            limits=limits,
            watchdog=self._watchdog,
            buffer=self._buffer,
            on_free=partial(self._keep, origin),
            on_end=partial(self._forget, origin),
        )
        failure: OSError = OSError("The name has no address.")
        try:
            async with asyncio.timeout(limits.connect_seconds):
                addresses = (await self._resolve(origin.host, origin.port))[:MOST_ADDRESSES]
                for address in addresses:
                    try:
                        async with asyncio.timeout(limits.connect_seconds / len(addresses)):
                            return await self._open(origin, address, make)
                    except OSError as error:
                        failure = error
        except (OSError, ValueError) as error:
            raise _unreachable(error) from error
        raise _unreachable(failure) from failure

    async def _open(self, origin: Origin, address: str, make: "partial[VendorConnection]") -> VendorConnection:
        is_secret = origin.scheme == "https"
        _, connection = await asyncio.get_running_loop().create_connection(
            make,
            address,
            origin.port,
            ssl=self._trust if is_secret else None,
            server_hostname=origin.host if is_secret else None,
        )
        return connection

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """What the machine trusts: read when the first vendor is asked who needs it."""
        trust = ssl.create_default_context()
        trust.set_alpn_protocols(["http/1.1"])
        return trust

    def _keep(self, origin: Origin, connection: VendorConnection) -> None:
        if self._is_closed:
            connection.abort()
        else:
            self._free.setdefault(origin, {})[connection] = None

    def _forget(self, origin: Origin, connection: VendorConnection) -> None:
        free = self._free.get(origin, {})
        free.pop(connection, None)
        if not free:
            self._free.pop(origin, None)


def _unreachable(error: Exception) -> NothingSent:
    return NothingSent(type(error).__name__, is_timeout=isinstance(error, TimeoutError))


async def addresses_of(host: str, port: int) -> list[str]:
    """Return the addresses of a host in the resolver's order, both families taking turns. Raises OSError."""
    by_family: dict[int, list[str]] = {}
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, _, _, _, address in found:
        by_family.setdefault(family, []).append(str(address[0]))
    return taking_turns(by_family.values())


def taking_turns(lists: Collection[list[str]]) -> list[str]:
    """Return the first of each list, then the second of each, and so on."""
    longest = max(map(len, lists), default=0)
    return [each[index] for index in range(longest) for each in lists if index < len(each)]


def _lines(headers: Sequence[tuple[str, str]]) -> bytes:
    """Return these headers as they stand in a head. Raises NothingSent."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if not text.isascii() or text.count("\n") != len(headers) or text.count("\r") != len(headers):
        raise NothingSent("The request cannot be sent as it is signed: a header holds what no header can.")
    return text.encode("ascii")


@lru_cache(maxsize=256)
def _request(upstream: Upstream) -> tuple[Origin, bytes]:
    """Return where requests go, and their head up to the length of the body. Raises NothingSent."""
    try:
        parts = urlsplit(upstream.url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        place = f"[{host}]" if ":" in host else host
        headers = {
            "host": place if port == _DEFAULT_PORTS[parts.scheme] else f"{place}:{port}",
            "user-agent": USER_AGENT,
            "accept": "*/*",
            **{name.lower(): value for name, value in upstream.headers},
        }
        lines = [f"{upstream.method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
        head = "\r\n".join(lines).encode("ascii")
        if not host or head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers):
            raise ValueError("A header or the address holds a line break, or there is no host.")
    except (ValueError, KeyError) as error:
        raise NothingSent(f"The request cannot be sent as it is described: {error}") from error
    return Origin(parts.scheme, host, port), head + b"\r\n"
