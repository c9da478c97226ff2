"""Which of an alias's deployments a caller may be served by, where some are own accounts. Pure.

The request path and the dry run decide with the same functions.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec


class Caller(Protocol):
    """Whose call it is: a key's policy, or a team that somebody asks about."""

    @property
    def unit_id(self) -> int:
        """The unit of its team."""

    @property
    def team_id(self) -> int:
        """Its team."""


class Owner(msgspec.Struct, frozen=True):
    """Whose own account a connection is: a unit's or a team's."""

    unit_id: int | None
    team_id: int | None

    def has(self, caller: Caller) -> bool:
        """Return whether this caller is one of theirs."""
        if self.team_id is not None:
            return self.team_id == caller.team_id
        return self.unit_id == caller.unit_id

    @property
    def rank(self) -> int:
        """A team's own account comes before its unit's."""
        return 0 if self.team_id is not None else 1


SHARED_RANK = 2
"""Shared connections come after own accounts."""


class Owned(Protocol):
    """What may be an own account's."""

    @property
    def owner(self) -> Owner | None:
        """Whose; None where everybody's keys may use it."""

    @property
    def rank(self) -> int:
        """Where it stands for those who may use it: own accounts first."""


Leg = TypeVar("Leg", bound=Owned)


def theirs(
    deployments: Sequence[Leg], caller: Caller, *, owners: frozenset[Owner], leaves_own: bool
) -> Sequence[Leg] | None:
    """Return which of an alias's deployments this caller may be served by, where `owners` have own accounts behind it;
    None where it is others' alone, and so no model of this caller's.

    An own account serves its owner only, and serves it alone unless the alias lets others follow, own ones first.
    One that is broken is not passed over for the organisation's money: then nothing is left.
    """
    ranks = [owner.rank for owner in owners if owner.has(caller)]
    if not ranks:
        return [deployment for deployment in deployments if deployment.owner is None] or None
    allowed = [each for each in deployments if each.owner is None or each.owner.has(caller)]
    if leaves_own:
        return sorted(allowed, key=lambda deployment: deployment.rank)
    return [deployment for deployment in allowed if deployment.rank == min(ranks)]
