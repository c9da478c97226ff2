"""What a notifier plugin implements."""

from typing import Protocol

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One alert to deliver. `key` is stable per alert, so that a receiver can drop a second delivery."""

    key: str
    subject: str
    text: str
    facts: dict[str, str] = {}


class Notifier(Protocol):
    """A channel. `name` is what administrators choose; `destination` is an address in the channel's own form."""

    name: str

    def deliver(self, *, notice: Notice, destination: str) -> None:
        """Deliver, or raise an exception: the caller records and retries it."""
