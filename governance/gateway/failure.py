"""An attempt that failed before anything of its answer reached the client: it can still be told, or made good."""

import time

from governance.core.errors import BursarError
from governance.gateway.exchange import ClientGone, Exchange, Headers
from governance.gateway.limits import Limits
from governance.gateway.watchdog import Overdue, Waiting, Watchdog

LARGEST_HELD_BYTES = 256 * 1024
"""A vendor's error of more bytes than this is passed on at once: what is held back must be small."""


class HeldReply:
    """A vendor's error reply that was read whole and not passed on yet."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class AttemptFailed(Exception):
    """What an attempt came to, and what it says about another one.

    `reason` is a word for metrics. `told` is what the client gets when no other attempt follows: the vendor's own
    bytes, or an error of Bursar's. `is_retryable`: the same deployment may answer if it is asked again;
    `may_work_elsewhere`: another one may. `is_ill`: it speaks against the deployment, not against this request alone.
    """

    def __init__(
        self,
        reason: str,
        *,
        told: HeldReply | BursarError,
        is_retryable: bool,
        may_work_elsewhere: bool,
        is_ill: bool,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.told = told
        self.is_retryable = is_retryable
        self.may_work_elsewhere = may_work_elsewhere
        self.is_ill = is_ill
        self.retry_after_seconds = retry_after_seconds

    async def tell(self, exchange: Exchange, *, watchdog: Watchdog, limits: Limits) -> None:
        """Let the client have it. Raises the BursarError that it is to be told, or ClientGone."""
        if isinstance(self.told, BursarError):
            raise self.told from self
        ends_at = time.monotonic() + limits.write_stall_seconds
        try:
            with watchdog.watch(exchange.task, ends_at=ends_at) as patience:
                patience.until(ends_at, Waiting.CLIENT)
                await exchange.respond(self.told.status, self.told.headers, self.told.body)
        except Overdue as overdue:
            raise ClientGone from overdue
