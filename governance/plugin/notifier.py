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

    def check(self, *, destination: str) -> None:
        """Look whether it could deliver there, without sending anything; asked before a recipient is kept.

        Raises DestinationInvalid, or SettingInvalid where the channel is not set up.
        """

    def deliver(self, *, notice: Notice, destination: str) -> None:
        """Deliver within about half a minute, or raise: the caller records why and asks again later.

        A message may be delivered twice when the caller dies in between; `notice.key` is the same then.
        """
