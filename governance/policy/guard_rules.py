"""Writing guard rules."""

from collections.abc import Collection

import msgspec
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.keys.scope import scope_of
from governance.policy.errors import GuardUnknown, RuleRefused
from governance.policy.guards import GuardAction
from governance.policy.models import GuardRule
from governance.policy.operations import Level
from governance.teams.models import Organisation


class Guarding(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of what a guard finds; None: it does not look there."""

    requests: GuardAction | None
    replies: GuardAction | None


@transaction.atomic
def set_guard(
    *, actor: Actor, level: Level, guard: str, guarding: Guarding, offered: Collection[str]
) -> GuardRule | None:
    """Set what a level asks of a guard; return the rule, or None where it asks for nothing any more.

    `offered` are the guards that plugins offer; one that none offers can only be taken away, since nothing would pass.
    Raises GuardUnknown, RuleRefused, TenancyRefused and the rooms' NotFound errors.
    """
    if level.key_id is not None or (level.unit_id is not None and level.team_id is not None):
        raise RuleRefused("A guard's rule belongs to one unit, one team, or the whole organisation.")
    is_off = guarding.requests is None and guarding.replies is None
    if not is_off and guard not in offered:
        known = ", ".join(sorted(offered)) or "none"
        raise GuardUnknown(f"No plugin offers a guard named {guard!r}; installed are: {known}.")
    scope = scope_of(organisation_id=level.organisation_id, unit_id=level.unit_id, team_id=level.team_id)
    # Two people may set the same guard at the same time: the organisation's row makes them wait for each other.
    Organisation.objects.select_for_update(no_key=True).get(pk=scope.organisation.pk)
    rule = GuardRule.objects.filter(
        organisation=scope.organisation, unit=scope.unit, team=scope.team, guard=guard
    ).first()
    before = _facts(rule)
    if is_off:
        if rule is not None:
            rule.delete()
        rule = None
    else:
        rule = rule or GuardRule(organisation=scope.organisation, unit=scope.unit, team=scope.team, guard=guard)
        rule.requests, rule.replies = guarding.requests or "", guarding.replies or ""
        rule.save()
    after = _facts(rule)
    if after != before:
        kind, owner = _owner(level)
        audit.record(
            actor=actor,
            action=f"{kind}.guard_changed",
            subject=f"{kind}:{owner}",
            before={"guard": guard, **before},
            after={"guard": guard, **after},
        )
    return rule


def _facts(rule: GuardRule | None) -> dict[str, object]:
    return {
        "requests": (rule.requests or None) if rule is not None else None,
        "replies": (rule.replies or None) if rule is not None else None,
    }


def _owner(level: Level) -> tuple[str, int]:
    if level.team_id is not None:
        return "team", level.team_id
    if level.unit_id is not None:
        return "unit", level.unit_id
    return "organisation", level.organisation_id
