"""Where a team's requests may be handled. Pure.

A rule names regions; a deployment is in one if its label is that region or begins with it and a hyphen: `eu` holds
`eu-central-1`. A deployment without a label is in none. Every level that has a rule must agree.
"""

from collections.abc import Sequence

import msgspec


class RegionRule(msgspec.Struct, frozen=True):
    """One level's regions. `level` names it for people: "team default"."""

    level: str
    regions: tuple[str, ...]

    def holds(self, region: str) -> bool:
        """Return whether a deployment with this label is in one of the regions."""
        return any(region == each or region.startswith(f"{each}-") for each in self.regions)


def refusing(region: str, rules: Sequence[RegionRule]) -> RegionRule | None:
    """Return the first rule that keeps requests away from a deployment with this label; None when none does."""
    return next((rule for rule in rules if not rule.holds(region)), None)
