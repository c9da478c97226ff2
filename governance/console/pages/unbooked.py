"""Attempts in suspense, with the names of what they are for."""

from collections.abc import Iterable
from dataclasses import dataclass

from governance.keys.models import VirtualKey
from governance.metering.models import Attempt
from governance.teams.models import Team


@dataclass(frozen=True, kw_only=True)
class Unbooked:
    """An attempt whose outcome nobody can prove yet."""

    attempt: Attempt
    team: str
    key: str


def with_names(attempts: Iterable[Attempt]) -> list[Unbooked]:
    """Return the attempts, which hold plain ids, with their names."""
    listed = list(attempts)
    teams = Team.objects.in_bulk({attempt.team_id for attempt in listed})
    keys = VirtualKey.objects.in_bulk({attempt.key_id for attempt in listed})
    return [
        Unbooked(attempt=attempt, team=str(teams.get(attempt.team_id, "")), key=str(keys.get(attempt.key_id, "")))
        for attempt in listed
    ]
