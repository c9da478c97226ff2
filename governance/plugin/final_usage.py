"""Streams that tell what they used once, in the event that ends them, and nothing before it."""

from collections.abc import Callable

import msgspec

from governance.plugin.errors import UsageUnreadable
from governance.plugin.usage import Usage, UsageReport


class FinalUsageMeter:
    """Reads usage from the last event. `read` returns what an event reports of it, None where it is another event; it
    raises UsageUnreadable, or what msgspec raises. Pieces that are no JSON object are passed over.
    """

    __slots__ = ("_read", "_report")

    def __init__(self, read: Callable[[bytes], UsageReport | None]) -> None:
        self._read = read
        self._report: UsageReport | None = None

    def feed(self, data: bytes) -> bool:
        """Take the data of one event, or a piece of bare sound. The client gets every one."""
        if data.startswith(b"{") and b'"usage"' in data:
            try:
                self._report = self._read(data) or self._report
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UsageUnreadable):
                self._report = None
        return True

    def report(self) -> UsageReport | None:
        """Return the vendor's usage, or None while it has not been seen or could not be believed."""
        return self._report

    def running(self) -> Usage | None:
        """Return None: nothing is told before the end."""
        return None

    def seen_output_bytes(self) -> int:
        """Return 0: what a piece of an image or of sound cost cannot be told from its bytes."""
        return 0

    def seen_output_events(self) -> int:
        """Return 0, see `seen_output_bytes`."""
        return 0
