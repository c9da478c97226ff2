"""Errors a plugin may raise.

PluginError
├── UsageUnreadable    the vendor's usage report cannot be believed: the attempt's cost is unknown
├── RequestUnbounded   no upper bound of the request's cost is known: it must be refused
└── ConnectionInvalid  a provider connection's settings cannot work
"""


class PluginError(Exception):
    """Base of everything a plugin raises on purpose. The message is a whole sentence for the person who must act."""


class UsageUnreadable(PluginError):
    """The vendor's usage report is missing, negative, fractional or absurd."""


class RequestUnbounded(PluginError):
    """The request asks for something whose cost has no known upper bound."""


class ConnectionInvalid(PluginError):
    """A provider connection lacks something, or has something that cannot work."""
