"""Collects what plugins offer, once, at start-up."""

import functools
from collections.abc import Callable, Collection, Iterable
from importlib.metadata import entry_points
from typing import Protocol, TypeVar

import pluggy

from governance.plugin import hooks
from governance.plugin.guards import Guard
from governance.plugin.notifier import Notifier
from governance.plugin.prices import PriceSource
from governance.plugin.provider import Provider
from governance.plugin.routing import OWN_ROUTINGS, RoutingStrategy
from governance.plugin.settings import NO_SETTINGS, Settings


class PluginConflict(Exception):
    """Two plugins offer the same name, or a plugin implements a hook that does not exist."""


class _Named(Protocol):
    name: str


Offer = TypeVar("Offer", bound=_Named)


class Plugins:
    """What the installed plugins offer: typed objects by name. Read-only after construction."""

    def __init__(self, manager: pluggy.PluginManager, settings: Settings) -> None:
        self._manager = manager
        self.providers: dict[str, Provider] = _collect("provider", manager.hook.bursar_providers)
        self.price_sources: dict[str, PriceSource] = _collect("price source", manager.hook.bursar_price_sources)
        self.routing_strategies: dict[str, RoutingStrategy] = _collect(
            "routing strategy", manager.hook.bursar_routing_strategies, taken=OWN_ROUTINGS
        )
        notifiers = functools.partial(manager.hook.bursar_notifiers, settings=settings)
        self.notifiers: dict[str, Notifier] = _collect("notifier", notifiers)
        guards = functools.partial(manager.hook.bursar_guards, settings=settings)
        self.guards: dict[str, Guard] = _collect("guard", guards)

    def distributions(self) -> list[tuple[str, str, str]]:
        """Return (plugin name, distribution, version) of every loaded plugin, sorted."""
        found = self._manager.list_plugin_distinfo()
        return sorted((self._manager.get_name(plugin) or "", dist.project_name, dist.version) for plugin, dist in found)


def load_plugins(
    *, blocked: Iterable[str] = (), allowed: Iterable[str] | None = None, settings: Settings = NO_SETTINGS
) -> Plugins:
    """Load every plugin of the entry-point group, except blocked ones; with `allowed`, only those.

    `settings` are what notifiers deliver by and guards go by; whoever only asks what there is needs none.
    Raises PluginConflict when two distributions or two offers share a name, or a hook implementation matches no
    specification.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    installed = _installed()
    for name in {*blocked, *(() if allowed is None else installed - set(allowed))}:
        manager.set_blocked(name)
    # All at once: each of these calls reads what every installed distribution says of itself.
    manager.load_setuptools_entrypoints(hooks.ENTRY_POINT_GROUP)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginConflict(f"A plugin implements an unknown hook: {error}. Update the plugin or block it.") from error
    return Plugins(manager, settings)


def _installed() -> set[str]:
    """Return the names of all plugins. Raises PluginConflict where two distributions offer a plugin of one name: which
    of them an operator meant, nobody can tell, and the first one on the path would be it.
    """
    origins: dict[str, str] = {}
    for entry in entry_points(group=hooks.ENTRY_POINT_GROUP):
        distribution = entry.dist.name if entry.dist else "unknown"
        if origins.setdefault(entry.name, distribution) != distribution:
            raise PluginConflict(
                f"The distributions {origins[entry.name]} and {distribution} both offer a plugin named "
                f"{entry.name!r}: uninstall the one that you do not trust."
            )
    return set(origins)


def _collect(kind: str, hook: Callable[..., object], *, taken: Collection[str] = ()) -> dict[str, Offer]:
    offers: dict[str, Offer] = {}

    def register(offer: Offer) -> None:
        if offer.name in offers:
            raise PluginConflict(
                f"Two plugins offer a {kind} named {offer.name!r}: block one of them with BURSAR_PLUGINS_BLOCKED."
            )
        if offer.name in taken:
            raise PluginConflict(f"A plugin offers a {kind} named {offer.name!r}, which Bursar has itself: rename it.")
        offers[offer.name] = offer

    hook(register=register)
    return offers
