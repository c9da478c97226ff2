"""What the page of allow-lists shows: each level's rules, the access groups, and who decides about a call."""

from dataclasses import dataclass

from governance.catalog.models import AccessGroup
from governance.catalog.queries import aliases_of, groups_of
from governance.keys.models import VirtualKey
from governance.policy.matching import Decision, first_match, may
from governance.policy.models import AllowRule
from governance.policy.queries import levels_of, rules_of
from governance.teams.models import Team
from governance.viewing.viewer import Viewer

_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class ListedLevel:
    """One level with rules: it lets through only what one of them matches. `matched` are the aliases that do."""

    kind: str
    name: str
    rules: list[AllowRule]
    matched: list[str]

    @property
    def shown(self) -> list[str]:
        """The first of them."""
        return self.matched[:_SHOWN]

    @property
    def more(self) -> int:
        """How many there are beside."""
        return max(0, len(self.matched) - _SHOWN)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """Who decides about a call. `is_known` says whether a route of that name is there at all."""

    alias: str
    caller: str
    decision: Decision
    is_known: bool


def listed_levels(*, viewer: Viewer) -> list[ListedLevel]:
    """Return the levels that have rules, from the organisation down to keys, by name."""
    names = _alias_names(viewer)
    levels: dict[tuple[int, str, str], list[AllowRule]] = {}
    for rule in rules_of(organisation_id=viewer.organisation.pk):
        levels.setdefault(_level(rule), []).append(rule)
    return [
        ListedLevel(kind=kind, name=name, rules=rules, matched=_matched(rules, names))
        for (_, kind, name), rules in sorted(levels.items(), key=lambda item: item[0])
    ]


def access_groups(*, viewer: Viewer) -> list[AccessGroup]:
    """Return the access groups by name."""
    return list(groups_of(organisation_id=viewer.organisation.pk))


def tried(*, viewer: Viewer, alias: str, team: Team, key: VirtualKey | None) -> Tried:
    """Return whether a team, or one of its keys, may call the alias, and which rule decides."""
    return Tried(
        alias=alias,
        caller=f"key {key}" if key is not None else f"team {team}",
        decision=may(alias, levels_of(team=team, key=key)),
        is_known=alias in _alias_names(viewer),
    )


def whose(rule: AllowRule) -> str:
    """Return whose allow-list the rule is on: "team search"."""
    _, kind, name = _level(rule)
    return f"{kind.lower()} {name}"


def _alias_names(viewer: Viewer) -> list[str]:
    return list(aliases_of(organisation_id=viewer.organisation.pk).values_list("name", flat=True))


def _level(rule: AllowRule) -> tuple[int, str, str]:
    for rank, kind, owner in ((3, "Key", rule.key), (2, "Team", rule.team), (1, "Unit", rule.unit)):
        if owner is not None:
            return rank, kind, str(owner)
    return 0, "Organisation", str(rule.organisation)


def _matched(rules: list[AllowRule], names: list[str]) -> list[str]:
    patterns: list[str] = []
    for rule in rules:
        patterns += rule.access_group.patterns if rule.access_group is not None else [rule.pattern]
    return [name for name in names if first_match(name, patterns) is not None]
