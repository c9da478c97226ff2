"""A client that goes away before it has its answer, and what then becomes of the answer."""

import time

from governance.gateway.exchange import Exchange
from governance.gateway.limits import Limits
from governance.gateway.watchdog import Patience
from governance.plugin.provider import AfterDisconnect


class Departure:
    """One attempt's. The connection tells of it, so that watching for it costs neither a task nor a timer.

    Where the provider drains, the rest of a reply that has begun is read on within bounds. One that has not begun is
    waited for as long as if the client were there: it will say what it cost, and giving it up would not stop the
    vendor. Where the provider cancels, the wait ends at once, whatever it is for.
    """

    __slots__ = (
        "_after",
        "_exchange",
        "_has_reply",
        "_is_watching",
        "_limits",
        "_patience",
        "_read_bytes",
        "has_happened",
        "reason",
    )

    _patience: Patience

    def __init__(self, *, exchange: Exchange, after: AfterDisconnect, limits: Limits) -> None:
        self._exchange = exchange
        self._after = after
        self._limits = limits
        self._has_reply = False
        self._is_watching = False
        self._read_bytes = 0
        self.has_happened = False
        self.reason = "client_gone"
        """Why nobody waits for the rest of the answer, once that has happened."""

    def watch(self, patience: Patience) -> None:
        """Watch from now on, and give up this patience when it is time. Raises ClientGone if it has happened before."""
        self._patience = patience
        self._exchange.watch(self._notice)
        self._is_watching = True

    def unwatch(self) -> None:
        """What the client does from now on is of no interest."""
        if self._is_watching:
            self._is_watching = False
            self._exchange.unwatch(self._notice)

    def reply_began(self) -> None:
        """The vendor's reply has begun."""
        self._has_reply = True
        if self.has_happened:
            self._bound()

    def allows(self, size: int) -> bool:
        """Count bytes of the reply; False when more of them came after the client had gone than are worth reading."""
        if not self.has_happened:
            return True
        self._read_bytes += size
        return self._read_bytes <= self._limits.after_disconnect_bytes

    def withhold(self) -> None:
        """The client gets no more of the answer, so that it is as if it had gone."""
        self.reason = "withheld"
        self._notice()

    def _notice(self) -> None:
        self.has_happened = True
        if self._after is AfterDisconnect.CANCEL:
            self._patience.end()
        elif self._has_reply:
            self._bound()

    def _bound(self) -> None:
        ends_at = time.monotonic() + self._limits.after_disconnect_seconds
        self._patience.ends_at = min(self._patience.ends_at, ends_at)
