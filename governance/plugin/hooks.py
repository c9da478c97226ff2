"""Hook specifications. pluggy runs them once at start-up to collect objects; the hot path calls the objects.

A plugin is an installed distribution with an entry point in the group `bursar.plugins` whose value is a module (or
object) that implements one or more of these hooks with `@hookimpl`. A misspelt hook fails at start.
"""

from collections.abc import Callable

import pluggy

from governance.plugin.guards import Guard
from governance.plugin.notifier import Notifier
from governance.plugin.prices import PriceSource
from governance.plugin.provider import Provider
from governance.plugin.routing import RoutingStrategy
from governance.plugin.settings import Settings

PROJECT = "bursar"
ENTRY_POINT_GROUP = "bursar.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Register the providers of this plugin, one call each. Names must be unique over all plugins."""


@hookspec
def bursar_price_sources(register: Callable[[PriceSource], None]) -> None:
    """Register importers of dated prices and models."""


@hookspec
def bursar_routing_strategies(register: Callable[[RoutingStrategy], None]) -> None:
    """Register strategies that order an alias's deployments, beside Bursar's own `weight`, `price` and `latency`."""


@hookspec
def bursar_notifiers(register: Callable[[Notifier], None], settings: Settings) -> None:
    """Register channels that deliver alerts to people and systems. Their settings may be missing."""


@hookspec
def bursar_guards(register: Callable[[Guard], None], settings: Settings) -> None:
    """Register guards, which look at what requests and replies say. Their settings may be missing."""
