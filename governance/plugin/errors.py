"""Errors a plugin may raise.

PluginError
├── UsageUnreadable    the vendor's usage report cannot be believed: the attempt's cost is unknown
├── StreamBroken       the vendor's stream cannot be read on: it counts as broken off
├── RequestInvalid     the client's request body cannot be read as its wire says: it is refused with 400
├── RequestUnbounded   no upper bound of the request's cost is known: it must be refused
├── ConnectionInvalid  a provider connection's settings cannot work
├── SettingInvalid     what the operator configured for the plugin is missing or wrong
├── DestinationInvalid a channel cannot deliver there
└── NotDelivered       a channel could not deliver this time
"""


class PluginError(Exception):
    """Base of everything a plugin raises on purpose. The message is a whole sentence for the person who must act."""


class UsageUnreadable(PluginError):
    """The vendor's usage report is missing, negative, fractional or absurd. `reason` is the word the books keep."""

    def __init__(self, message: str, *, reason: str = "usage_unreadable") -> None:
        super().__init__(message)
        self.reason = reason


class StreamBroken(PluginError):
    """What came of the vendor's stream is not framed as it should be, or is damaged."""


class RequestInvalid(PluginError):
    """The request body is not what its wire says. `field` names the top-level field at fault, where there is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class RequestUnbounded(PluginError):
    """The request asks for something whose cost has no known upper bound."""


class ConnectionInvalid(PluginError):
    """A provider connection lacks something, or has something that cannot work."""


class SettingInvalid(PluginError):
    """A variable that the plugin needs is missing or wrong."""


class DestinationInvalid(PluginError):
    """The channel can never deliver to this destination."""


class NotDelivered(PluginError):
    """The channel could not deliver; it is asked again later."""
