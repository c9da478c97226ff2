"""What the pages of rate limits show."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from governance.console import amounts
from governance.metering.queries import RateStanding, rate_standings
from governance.policy.models import RateLimit
from governance.policy.queries import limit_narrowed_to
from governance.viewing.viewer import Viewer

_NEAR_PERMILLE = 800


@dataclass(frozen=True, kw_only=True)
class LimitLine:
    """One rate limit in its current window."""

    limit: RateLimit
    scope_kind: str
    scope_name: str
    narrowed_to: list[tuple[str, str]]
    standing: RateStanding

    @property
    def is_per_member(self) -> bool:
        """Whether the figures are those of one member."""
        return self.limit.sharing == RateLimit.Sharing.PER_MEMBER

    @property
    def left(self) -> int:
        """What may still be admitted."""
        return max(0, self.standing.left)

    @property
    def state(self) -> str:
        """One of good, near (four fifths taken) and over (nothing left)."""
        if self.standing.left <= 0:
            return "over"
        return "near" if amounts.permille(self.standing.taken, self.limit.amount) >= _NEAR_PERMILLE else "good"

    @property
    def state_words(self) -> str:
        """The state in words."""
        return {"over": "Used up", "near": "Nearly used up", "good": "Enough left"}[self.state]


def limit_lines(*, viewer: Viewer, now: datetime) -> list[LimitLine]:
    """Return the live rate limits that the viewer sees, by scope from the organisation down to keys."""
    found = rate_standings(limits=_live(viewer), at=now, allowances=viewer.visible_allowances())
    order = {kind: rank for rank, kind in enumerate(("Organisation", "Unit", "Team", "Person", "Key"))}
    lines = [_line(standing) for standing in found]
    return sorted(lines, key=lambda line: (order[line.scope_kind], line.scope_name, line.limit.name))


def limit_line(*, viewer: Viewer, limit_id: int, now: datetime) -> LimitLine | None:
    """Return one live rate limit that the viewer sees, or None."""
    limits = _live(viewer).filter(id=limit_id)
    found = rate_standings(limits=limits, at=now, allowances=viewer.visible_allowances())
    return _line(found[0]) if found else None


def _live(viewer: Viewer) -> QuerySet[RateLimit]:
    limits = viewer.visible_rate_limits().filter(retired_at=None)
    return limits.select_related("unit", "team", "key", "key__team", "user", "model_group")


def _line(standing: RateStanding) -> LimitLine:
    kind, name = _scope(standing.limit)
    return LimitLine(
        limit=standing.limit,
        scope_kind=kind,
        scope_name=name,
        narrowed_to=limit_narrowed_to(standing.limit),
        standing=standing,
    )


def _scope(limit: RateLimit) -> tuple[str, str]:
    """Return the narrowest scope that the limit names."""
    if limit.key is not None:
        return "Key", f"{limit.key.name} ({limit.key.team.name})"
    if limit.user is not None:
        return "Person", f"{limit.user.email} in {limit.team.name}" if limit.team else limit.user.email
    if limit.team is not None:
        return "Team", limit.team.name
    if limit.unit is not None:
        return "Unit", limit.unit.name
    return "Organisation", ""
