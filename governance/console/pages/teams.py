"""What the pages of teams show: the tree of units and teams with what they spend, and one team."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from governance.console.pages.budgets import BudgetLine, budget_lines
from governance.console.pages.keys import KeyLine, newest_key_lines
from governance.core.windows import Window, WindowKind
from governance.keys.models import VirtualKey
from governance.ledger.spending import Sum, spending
from governance.policy.models import GuardRule, ResponseCache
from governance.prompts.models import PromptStorage
from governance.teams.models import BusinessUnit, Membership, Team
from governance.teams.queries import members_of
from governance.viewing.viewer import Viewer

_KEYS = 10


@dataclass(frozen=True, kw_only=True)
class TeamLine:
    """One team with its own rules; None where it has none."""

    team: Team
    guards: list[GuardRule]
    cache: ResponseCache | None
    storage: PromptStorage | None

    @property
    def cache_minutes(self) -> int:
        """How long answers are kept."""
        return self.cache.ttl_seconds // 60 if self.cache is not None else 0

    @property
    def cache_mebibytes(self) -> int:
        """How much is kept in each gateway process."""
        return self.cache.max_bytes // 1024**2 if self.cache is not None else 0

    @property
    def rules(self) -> list[str]:
        """Its own rules in a few words each."""
        found = [f"only in {', '.join(self.team.regions)}"] if self.team.regions else []
        found += [f"guard {rule.guard}" for rule in self.guards]
        found += [f"answers kept {self.cache_minutes:,} minutes"] if self.cache is not None else []
        return found + ([f"prompts stored {self.storage.days} days"] if self.storage is not None else [])


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One team in the tree, with this month's spend and its budget for a whole month, if there is one."""

    line: TeamLine
    people: int
    keys: int
    spent: Sum
    budget: BudgetLine | None


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A business unit with its teams."""

    unit: BusinessUnit
    leaves: list[Leaf]
    budget: BudgetLine | None

    @property
    def spent_nano(self) -> int:
        """What its teams, as far as they are shown, have spent this month."""
        return sum(leaf.spent.charge_nano for leaf in self.leaves)

    @property
    def requests(self) -> int:
        """How often they called."""
        return sum(leaf.spent.requests for leaf in self.leaves)

    @property
    def keys(self) -> int:
        """How many working keys they have."""
        return sum(leaf.keys for leaf in self.leaves)

    @property
    def people(self) -> int:
        """How many parts in teams people have."""
        return sum(leaf.people for leaf in self.leaves)


@dataclass(frozen=True, kw_only=True)
class TeamPage:
    """One team with its people, keys and budgets."""

    line: TeamLine
    members: list[Membership]
    keys: list[KeyLine]
    key_count: int
    budgets: list[BudgetLine]
    may_manage: bool
    may_issue: bool


def tree(*, viewer: Viewer, now: datetime) -> list[Branch]:
    """Return the units and teams that the viewer sees, by name; to administrators also units without teams."""
    lines = team_lines(viewer=viewer)
    teams = [line.team for line in lines]
    budgets = budget_lines(
        viewer=viewer, now=now, among=Q(key=None, user=None) & (Q(unit__isnull=False) | Q(team__in=teams))
    )
    spent = _spent(viewer, now)
    counts = (_members(teams), _working_keys(teams, now))
    units = {line.team.unit_id: line.team.unit for line in lines}
    if viewer.may_administer:
        units |= {unit.pk: unit for unit in viewer.organisation.units.all()}
    return [
        Branch(
            unit=unit,
            leaves=[_leaf(line, spent, counts, budgets) for line in lines if line.team.unit_id == unit.pk],
            budget=_monthly(budgets, unit_id=unit.pk, team_id=None),
        )
        for unit in sorted(units.values(), key=lambda unit: unit.name)
    ]


def team_page(*, viewer: Viewer, team_id: int, now: datetime) -> TeamPage | None:
    """Return one team that the viewer sees, or None."""
    line = team_line(viewer=viewer, team_id=team_id)
    if line is None:
        return None
    keys = viewer.visible_keys().filter(team=line.team)
    return TeamPage(
        line=line,
        members=list(members_of(team_id=team_id)),
        keys=newest_key_lines(viewer=viewer, keys=keys, now=now, limit=_KEYS),
        key_count=keys.count(),
        budgets=budget_lines(viewer=viewer, now=now, among=Q(team=line.team)),
        may_manage=viewer.may_manage(line.team),
        may_issue=line.team in viewer.teams_to_issue_in(),
    )


def team_lines(*, viewer: Viewer) -> list[TeamLine]:
    """Return the living teams that the viewer sees, by name."""
    teams = list(viewer.visible_teams().order_by("name"))
    caches = ResponseCache.objects.in_bulk([team.pk for team in teams])
    storages = PromptStorage.objects.in_bulk([team.pk for team in teams])
    guards: dict[int | None, list[GuardRule]] = {}
    for rule in GuardRule.objects.filter(team__in=teams).order_by("guard"):
        guards.setdefault(rule.team_id, []).append(rule)
    return [
        TeamLine(team=team, guards=guards.get(team.pk, []), cache=caches.get(team.pk), storage=storages.get(team.pk))
        for team in teams
    ]


def team_line(*, viewer: Viewer, team_id: int) -> TeamLine | None:
    """Return one of them, or None."""
    return next((line for line in team_lines(viewer=viewer) if line.team.pk == team_id), None)


def _leaf(
    line: TeamLine, spent: Mapping[int, Sum], counts: tuple[Mapping[int, int], ...], budgets: list[BudgetLine]
) -> Leaf:
    people, keys = counts
    team_id = line.team.pk
    return Leaf(
        line=line,
        people=people.get(team_id, 0),
        keys=keys.get(team_id, 0),
        spent=spent.get(team_id, Sum()),
        budget=_monthly(budgets, unit_id=None, team_id=team_id),
    )


def _spent(viewer: Viewer, now: datetime) -> Mapping[int, Sum]:
    month = Window(kind=WindowKind.MONTH, zone=viewer.organisation.zone).period_at(now)
    return spending(reach=viewer.reach, since=month.starts_at, until=month.ends_at).by_team


def _members(teams: list[Team]) -> dict[int, int]:
    found = Membership.objects.filter(team__in=teams, user__is_active=True)
    return dict(found.values_list("team").annotate(Count("id")).order_by())


def _working_keys(teams: list[Team], now: datetime) -> dict[int, int]:
    found = VirtualKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), team__in=teams, revoked_at=None)
    return dict(found.values_list("team").annotate(Count("id")).order_by())


def _monthly(budgets: list[BudgetLine], *, unit_id: int | None, team_id: int | None) -> BudgetLine | None:
    mine = (line for line in budgets if line.budget.team_id == team_id and line.budget.unit_id == unit_id)
    return next((line for line in mine if line.is_monthly), None)
