"""What a plugin may import: hook specifications, the vocabulary of money and usage, wire helpers, the testing kit.

This package is pure: it imports neither Django nor any other room. A plugin imports `governance.plugin` and nothing
else of Bursar's.
"""

from governance.plugin.errors import (
    ConnectionInvalid,
    DestinationInvalid,
    NotDelivered,
    PluginError,
    RequestInvalid,
    RequestUnbounded,
    SettingInvalid,
    StreamBroken,
    UsageUnreadable,
)
from governance.plugin.guards import Finding, Guard
from governance.plugin.hooks import hookimpl
from governance.plugin.jobs import (
    FileAction,
    FileProvider,
    JobAction,
    JobKind,
    JobProvider,
    JobReading,
    LineEnd,
    LineReading,
)
from governance.plugin.notifier import Notice, Notifier
from governance.plugin.prices import ModelFact, NativePrice, PriceCatalogue, PriceFact, PriceHours, PriceSource
from governance.plugin.provider import (
    AfterDisconnect,
    Billing,
    Bound,
    BoundingMeter,
    ChoosesWires,
    ConnectionSettings,
    EnvelopingProvider,
    ErrorReading,
    FramingProvider,
    GoverningFields,
    NamingProvider,
    Provider,
    SelectiveProvider,
    SigningProvider,
    SilentProvider,
    StreamMeter,
    Upstream,
    Wire,
)
from governance.plugin.routing import Candidate, RoutingStrategy
from governance.plugin.settings import Settings
from governance.plugin.sse import ServerSentEvent, Splitter
from governance.plugin.tokens import Assertion, Exchange, GrantedToken, TokenGrant, client_credentials, signed_assertion
from governance.plugin.usage import TokenClass, Usage, UsageReport

__all__ = [
    "AfterDisconnect",
    "Assertion",
    "Billing",
    "Bound",
    "BoundingMeter",
    "Candidate",
    "ChoosesWires",
    "ConnectionInvalid",
    "ConnectionSettings",
    "DestinationInvalid",
    "EnvelopingProvider",
    "ErrorReading",
    "Exchange",
    "FileAction",
    "FileProvider",
    "Finding",
    "FramingProvider",
    "GoverningFields",
    "GrantedToken",
    "Guard",
    "JobAction",
    "JobKind",
    "JobProvider",
    "JobReading",
    "LineEnd",
    "LineReading",
    "ModelFact",
    "NamingProvider",
    "NativePrice",
    "NotDelivered",
    "Notice",
    "Notifier",
    "PluginError",
    "PriceCatalogue",
    "PriceFact",
    "PriceHours",
    "PriceSource",
    "Provider",
    "RequestInvalid",
    "RequestUnbounded",
    "RoutingStrategy",
    "SelectiveProvider",
    "ServerSentEvent",
    "SettingInvalid",
    "Settings",
    "SigningProvider",
    "SilentProvider",
    "Splitter",
    "StreamBroken",
    "StreamMeter",
    "TokenClass",
    "TokenGrant",
    "Upstream",
    "Usage",
    "UsageReport",
    "UsageUnreadable",
    "Wire",
    "client_credentials",
    "hookimpl",
    "signed_assertion",
]
