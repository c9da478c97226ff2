"""The one seam to vendors: a request as a provider described it goes out, a reply comes back. Nothing else sends.

TransportFailed
├── NothingSent    the vendor was never asked: it cannot have charged anything
└── AnswerLost     the vendor was, or may have been, asked, and no whole answer came back
"""

from collections.abc import Sequence
from typing import Protocol

from governance.plugin.provider import Upstream


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
    """Sends requests. One per process; pooled; follows no redirect, keeps no cookie, knows no proxy, unzips nothing."""

    async def send(self, *, upstream: Upstream, body: bytes, signature: Sequence[tuple[str, str]] = ()) -> Reply:
        """Send and return when the reply has begun. `signature` is headers of this request alone. Raises NothingSent or
        AnswerLost.

        Cancelling this closes the connection.
        """

    async def close(self) -> None:
        """Close every connection that nobody uses; the others close when their replies do."""
