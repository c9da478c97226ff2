"""Attempts in suspense, with the names of what they are for."""

from collections.abc import Iterable
from dataclasses import dataclass

from governance.keys.models import VirtualKey
from governance.metering.estimates import estimated_nanos
from governance.metering.models import Attempt
from governance.teams.models import Team


@dataclass(frozen=True, kw_only=True)
class Unbooked:
    """An attempt whose outcome nobody can prove yet. `estimated_nano` of it is settled already, as an estimate."""

    attempt: Attempt
    estimated_nano: int
    team: str
    key: str


def with_names(attempts: Iterable[Attempt]) -> list[Unbooked]:
    """Return the attempts, which hold plain ids, with their names."""
    listed = list(attempts)
    teams = Team.objects.in_bulk({attempt.team_id for attempt in listed})
    keys = VirtualKey.objects.in_bulk({attempt.key_id for attempt in listed})
    estimated = estimated_nanos(listed)
    return [
        Unbooked(
            attempt=attempt,
            estimated_nano=estimated.get(attempt.id, 0),
            team=str(teams.get(attempt.team_id, "")),
            key=str(keys.get(attempt.key_id, "")),
        )
        for attempt in listed
    ]
