"""Which guards look at a team's requests and replies, and what then happens to what they find. Pure.

The organisation, a unit and a team each have rules. All of them apply, and of two for one guard the stricter one does:
a level can add strictness, never take it away.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec


class GuardAction(StrEnum):
    """What becomes of a finding: its piece of text is replaced, or nothing passes. The second is stricter."""

    MASK = "mask"
    BLOCK = "block"


class GuardRule(msgspec.Struct, frozen=True, kw_only=True):
    """What one level asks of one guard; None: nothing. `level` names it for people: "team default"."""

    level: str
    guard: str
    requests: GuardAction | None
    replies: GuardAction | None


class AppliedGuard(msgspec.Struct, frozen=True):
    """One guard at work on one side, and the first level that asks for this action."""

    guard: str
    action: GuardAction
    level: str


class GuardPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """All guards of a key, each once per side."""

    requests: tuple[AppliedGuard, ...]
    replies: tuple[AppliedGuard, ...]


def guard_policy(rules: Sequence[GuardRule]) -> GuardPolicy | None:
    """Return what these rules, from the organisation down, come to; None when there are none."""
    if not rules:
        return None
    return GuardPolicy(
        requests=_strictest([(rule, rule.requests) for rule in rules]),
        replies=_strictest([(rule, rule.replies) for rule in rules]),
    )


def _strictest(asked: Sequence[tuple[GuardRule, GuardAction | None]]) -> tuple[AppliedGuard, ...]:
    applied: dict[str, AppliedGuard] = {}
    for rule, action in asked:
        known = applied.get(rule.guard)
        if action is None or (known is not None and (known.action is GuardAction.BLOCK or action is known.action)):
            continue
        applied[rule.guard] = AppliedGuard(rule.guard, action, rule.level)
    return tuple([applied[name] for name in sorted(applied)])
