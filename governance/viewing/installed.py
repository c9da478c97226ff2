"""What the installed plugins offer, read once."""

import functools
from collections.abc import Mapping

from django.conf import settings

from governance.core.plugins import Plugins, load_plugins
from governance.plugin.guards import Guard
from governance.plugin.notifier import Notifier
from governance.plugin.provider import Provider
from governance.plugin.routing import OWN_ROUTINGS, RoutingStrategy


def installed_guards() -> Mapping[str, Guard]:
    """Return the guards by name."""
    return _plugins().guards


def installed_providers() -> Mapping[str, Provider]:
    """Return the providers by name."""
    return _plugins().providers


def installed_strategies() -> Mapping[str, RoutingStrategy]:
    """Return the routing strategies of plugins by name."""
    return _plugins().routing_strategies


def installed_routings() -> frozenset[str]:
    """Return the names of the strategies by which an alias may choose among its deployments."""
    return frozenset({*OWN_ROUTINGS, *installed_strategies()})


def installed_notifiers() -> Mapping[str, Notifier]:
    """Return the channels of alerts by name."""
    return _plugins().notifiers


def installed_distributions() -> list[tuple[str, str, str]]:
    """Return each plugin's name with the package that it came in, and its version."""
    return _plugins().distributions()


@functools.cache
def _plugins() -> Plugins:
    environment = settings.ENVIRONMENT
    return load_plugins(
        blocked=environment.plugins_blocked,
        allowed=environment.plugins_allowed,
        settings=environment.plugin_settings,
    )
