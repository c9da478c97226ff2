"""What the pages of routes show: aliases, what stands behind them, and how it is chosen."""

from dataclasses import dataclass

from governance.catalog.models import AliasTarget, Deployment, ModelAlias
from governance.catalog.queries import aliases_of
from governance.plugin.routing import FIXED_ORDER
from governance.policy.strategies import OWN_STRATEGIES
from governance.viewing.installed import installed_strategies
from governance.viewing.viewer import Viewer


@dataclass(frozen=True, kw_only=True)
class RouteLine:
    """One alias with its targets in their fixed order."""

    alias: ModelAlias
    targets: list[AliasTarget]

    @property
    def chosen_by(self) -> str:
        """How its deployments are ordered, in words."""
        return dict(routings()).get(self.alias.routing, f"{self.alias.routing}, which no installed plugin offers")

    @property
    def has_weights(self) -> bool:
        """Whether weights decide."""
        return self.alias.routing == "weight"


def route_lines(*, viewer: Viewer) -> list[RouteLine]:
    """Return the organisation's aliases by name."""
    found = aliases_of(organisation_id=viewer.organisation.pk)
    return [RouteLine(alias=alias, targets=list(alias.targets.all())) for alias in found]


def route_line(*, viewer: Viewer, alias_id: int) -> RouteLine | None:
    """Return one of them, or None."""
    alias = aliases_of(organisation_id=viewer.organisation.pk).filter(pk=alias_id).first()
    return RouteLine(alias=alias, targets=list(alias.targets.all())) if alias is not None else None


def routings() -> list[tuple[str, str]]:
    """Return the ways to choose that there are, by name, in words."""
    plugins = [(name, strategy.title) for name, strategy in sorted(installed_strategies().items())]
    own = [(strategy.name, strategy.title) for strategy in OWN_STRATEGIES]
    return [(FIXED_ORDER, "As they stand, one after another"), *own, *plugins]


def deployments_of(*, viewer: Viewer) -> list[Deployment]:
    """Return what a route can lead to, by connection and name at the vendor."""
    found = Deployment.objects.filter(connection__organisation=viewer.organisation)
    return list(found.select_related("model", "connection").order_by("connection__name", "upstream_name"))
