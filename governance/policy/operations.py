"""Writing allow-lists."""

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.policy.errors import RuleRefused
from governance.policy.matching import is_pattern
from governance.policy.models import AllowRule
from governance.teams import queries as teams


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """Whose allow-list: the organisation's, or that of one unit, team or key of it."""

    organisation_id: int
    unit_id: int | None = None
    team_id: int | None = None
    key_id: int | None = None


@transaction.atomic
def allow(*, actor: Actor, level: Level, pattern: str) -> AllowRule:
    """Add an alias pattern to a level's allow-list; the first one there makes the list restrict.

    Nothing changes when it is there already. Raises RuleRefused, OrganisationNotFound.
    """
    organisation = teams.organisation(organisation_id=level.organisation_id)
    if not is_pattern(pattern):
        raise RuleRefused(f"{pattern!r} is no pattern: give a model alias, or a glob such as gpt-* or *.")
    if sum(owner is not None for owner in (level.unit_id, level.team_id, level.key_id)) > 1:
        raise RuleRefused("An allow-list belongs to one unit, one team, one key, or the whole organisation.")
    rule = _rules(level).filter(pattern=pattern).first()
    if rule is None:
        rule = AllowRule.objects.create(
            organisation=organisation,
            unit_id=level.unit_id,
            team_id=level.team_id,
            key_id=level.key_id,
            pattern=pattern,
        )
        subject = f"allow_rule:{rule.id}"
        audit.record(actor=actor, action="allow_rule.added", subject=subject, after=_facts(level, pattern))
    return rule


@transaction.atomic
def disallow(*, actor: Actor, level: Level, pattern: str) -> None:
    """Take a pattern off a level's allow-list; an empty list restricts nothing. Raises RuleRefused."""
    rule = _rules(level).filter(pattern=pattern).first()
    if rule is None:
        raise RuleRefused(f"The allow-list has no pattern {pattern!r}: list its patterns first.")
    subject = f"allow_rule:{rule.id}"
    rule.delete()
    audit.record(actor=actor, action="allow_rule.removed", subject=subject, before=_facts(level, pattern))


def _rules(level: Level) -> QuerySet[AllowRule]:
    """The patterns of exactly this level."""
    rules = AllowRule.objects.filter(organisation_id=level.organisation_id, access_group__isnull=True)
    for name in ("unit_id", "team_id", "key_id"):
        owner = getattr(level, name)
        rules = rules.filter(**{name: owner} if owner is not None else {f"{name}__isnull": True})
    return rules


def _facts(level: Level, pattern: str) -> dict[str, object]:
    return {**msgspec.structs.asdict(level), "pattern": pattern}
