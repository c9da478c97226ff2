"""The one seam to vendors: a request as a provider described it goes out, a reply comes back. Nothing else sends.

TransportFailed
├── NothingSent    the vendor was never asked: it cannot have charged anything
└── AnswerLost     the vendor was, or may have been, asked, and no whole answer came back
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol

import httpx
from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import BuilderError, DetailedPyreqwestError, PoolTimeoutError, PyreqwestError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from governance.gateway.limits import Limits
from governance.gateway.sockets import IDLE_SECONDS, INTERVAL_SECONDS, PROBES, UNANSWERED_SECONDS
from governance.plugin.provider import Upstream

USER_AGENT = "bursar"


class TransportFailed(Exception):
    """The exchange with the vendor failed. `is_timeout`: because something took too long."""

    def __init__(self, message: str, *, is_timeout: bool = False) -> None:
        super().__init__(message)
        self.is_timeout = is_timeout


class NothingSent(TransportFailed):
    """No connection came about."""


class AnswerLost(TransportFailed):
    """The connection broke, or the answer did not come in time."""


class Reply(Protocol):
    """A vendor's reply whose body has not been read yet. Closing it early closes its connection."""

    status: int
    headers: tuple[tuple[str, str], ...]

    async def next_chunk(self) -> bytes:
        """Return the next bytes as they arrive, or nothing at the end. Raises AnswerLost."""

    async def close(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""


class Transport(Protocol):
    """Sends requests. One per process; pooled; follows no redirect, keeps no cookie, knows no proxy."""

    async def send(self, *, upstream: Upstream, body: bytes, is_cancellable: bool) -> Reply:
        """Send and return when the reply has begun. Raises NothingSent or AnswerLost.

        Cancelling this closes the connection if `is_cancellable`; else it may stay open until the vendor answers.
        """

    async def close(self) -> None:
        """Close every connection."""


class PyreqwestTransport:
    """The default. HTTP/1.1 only: over HTTP/2 all calls to a vendor would queue for the streams of one connection.

    The wait for a reply to begin is timed here, in the client: cancelling that wait from Python leaves the connection
    open, and the vendor working, until it answers (pyreqwest 0.15.1; closing its client changes nothing). Calls that
    must be cancellable go through httpx, at the price of more CPU time.
    """

    def __init__(self, limits: Limits) -> None:
        self._cancellable = HttpxTransport(limits)
        self._client = (
            ClientBuilder()
            .user_agent(USER_AGENT)
            .connect_timeout(timedelta(seconds=limits.connect_seconds))
            .read_timeout(timedelta(seconds=max(limits.first_byte_seconds, limits.idle_seconds)))
            .pool_idle_timeout(timedelta(seconds=limits.pool_idle_seconds))
            .pool_max_idle_per_host(1024)
            .tcp_keepalive(timedelta(seconds=IDLE_SECONDS))
            .tcp_keepalive_interval(timedelta(seconds=INTERVAL_SECONDS))
            .tcp_keepalive_retries(PROBES)
            .tcp_user_timeout(timedelta(seconds=UNANSWERED_SECONDS))
            .follow_redirects(enable=False)
            .referer(enable=False)
            .gzip(enable=False)
            .brotli(enable=False)
            .zstd(enable=False)
            .deflate(enable=False)
            .no_proxy()
            .build()
        )

    async def send(self, *, upstream: Upstream, body: bytes, is_cancellable: bool) -> Reply:
        """See Transport."""
        if is_cancellable:
            return await self._cancellable.send(upstream=upstream, body=body, is_cancellable=True)
        try:
            request = (
                self._client.request(upstream.method, upstream.url)
                .headers(upstream.headers)
                .body_bytes(body)
                .streamed_read_buffer_limit(0)
                .build_streamed()
            )
            return _PyreqwestReply(request, await request.__aenter__())
        except PyreqwestError as error:
            raise _failure(error) from error

    async def close(self) -> None:
        """See Transport."""
        await self._cancellable.close()
        await self._client.close()


class _PyreqwestReply:
    def __init__(self, request: StreamRequest, response: Response) -> None:
        self._request = request
        self._reader = response.body_reader
        self.status = response.status
        self.headers = tuple(response.headers.items())

    async def next_chunk(self) -> bytes:
        try:
            chunk = await self._reader.read_chunk()
        except PyreqwestError as error:
            raise AnswerLost(type(error).__name__, is_timeout=isinstance(error, TimeoutError)) from error
        return b"" if chunk is None else chunk.to_bytes()

    async def close(self) -> None:
        await self._request.__aexit__(None, None, None)


def _failure(error: PyreqwestError) -> TransportFailed:
    """Tell what was never sent from what may have been. The exceptions' classes do not: a connection that broke under
    a request is a ConnectError too, and a reply that did not begin in time a ConnectTimeoutError. The causes do.
    """
    causes = error.details.get("causes") or () if isinstance(error, DetailedPyreqwestError) else ()
    is_timeout = isinstance(error, TimeoutError)
    was_connecting = any(cause["message"] == "client error (Connect)" for cause in causes)
    if was_connecting or isinstance(error, BuilderError | PoolTimeoutError):
        return NothingSent(type(error).__name__, is_timeout=is_timeout)
    return AnswerLost(type(error).__name__, is_timeout=is_timeout)


class HttpxTransport:
    """Portable and slow: for machines without a wheel of the default, and for tests that watch the seam."""

    def __init__(self, limits: Limits, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=limits.connect_seconds),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=1024),
            headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            transport=transport,
        )

    async def send(self, *, upstream: Upstream, body: bytes, is_cancellable: bool) -> Reply:
        """See Transport. Always cancellable."""
        stack = AsyncExitStack()
        try:
            streamed = self._client.stream(upstream.method, upstream.url, headers=list(upstream.headers), content=body)
            return _HttpxReply(stack, await stack.enter_async_context(streamed))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL) as error:
            raise NothingSent(type(error).__name__, is_timeout=isinstance(error, httpx.TimeoutException)) from error
        except httpx.HTTPError as error:
            raise AnswerLost(type(error).__name__, is_timeout=isinstance(error, httpx.TimeoutException)) from error

    async def close(self) -> None:
        """See Transport."""
        await self._client.aclose()


class _HttpxReply:
    def __init__(self, stack: AsyncExitStack, response: httpx.Response) -> None:
        self._stack = stack
        self._chunks = _raw_chunks(response)
        self.status = response.status_code
        self.headers = tuple(response.headers.multi_items())

    async def next_chunk(self) -> bytes:
        try:
            return await anext(self._chunks, b"")
        except httpx.HTTPError as error:
            raise AnswerLost(type(error).__name__, is_timeout=isinstance(error, httpx.TimeoutException)) from error

    async def close(self) -> None:
        await self._chunks.aclose()
        await self._stack.aclose()


async def _raw_chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async for chunk in response.aiter_raw():
        yield chunk
