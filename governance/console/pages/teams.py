"""What the pages of teams show: what their requests may do, and what is kept of them."""

from dataclasses import dataclass

from governance.console.viewer import Viewer
from governance.policy.models import GuardRule, ResponseCache
from governance.prompts.models import PromptStorage
from governance.teams.models import Team


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
