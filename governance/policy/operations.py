"""Writing allow-lists."""

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.catalog import queries as catalog
from governance.catalog.models import AccessGroup
from governance.catalog.names import is_alias_pattern
from governance.keys.scope import scope_of
from governance.policy.errors import RuleRefused
from governance.policy.models import AllowRule
from governance.teams.models import Organisation


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """Whose allow-list: the organisation's, or that of one unit, team or key of it."""

    organisation_id: int
    unit_id: int | None = None
    team_id: int | None = None
    key_id: int | None = None


@transaction.atomic
def allow(*, actor: Actor, level: Level, pattern: str) -> AllowRule:
    """Add an alias pattern to a level's allow-list; the first one there makes the list restrict.

    Nothing changes when it is there already. Raises RuleRefused, TenancyRefused and the rooms' NotFound errors.
    """
    if not is_alias_pattern(pattern):
        raise RuleRefused(f"{pattern!r} is no pattern: give a model alias, or a glob such as gpt-* or *.")
    return _add(actor, level, pattern=pattern, group=None)


@transaction.atomic
def allow_group(*, actor: Actor, level: Level, group_id: int) -> AllowRule:
    """Add an access group to a level's allow-list. Raises GroupNotFound, and what `allow` does."""
    group = catalog.group(group_id=group_id)
    if group.organisation_id != level.organisation_id:
        raise RuleRefused(f"The access group {group} belongs to another organisation: name one of this one.")
    return _add(actor, level, pattern="", group=group)


@transaction.atomic
def disallow(*, actor: Actor, level: Level, pattern: str) -> None:
    """Take a pattern off a level's allow-list; an empty list restricts nothing. Raises RuleRefused."""
    rule = _rules(level).filter(pattern=pattern, access_group__isnull=True).first()
    if rule is None:
        raise RuleRefused(f"The allow-list has no pattern {pattern!r}: list its patterns first.")
    _remove(actor, level, rule)


@transaction.atomic
def disallow_group(*, actor: Actor, level: Level, group_id: int) -> None:
    """Take an access group off a level's allow-list; an empty list restricts nothing. Raises RuleRefused."""
    rule = _rules(level).filter(access_group_id=group_id).first()
    if rule is None:
        raise RuleRefused("The allow-list does not name that access group: list its rules first.")
    _remove(actor, level, rule)


@transaction.atomic
def remove(*, actor: Actor, organisation_id: int, rule_id: int) -> None:
    """Take a rule off its list, whatever it is; an empty list restricts nothing. Raises RuleRefused."""
    rule = AllowRule.objects.filter(organisation_id=organisation_id, pk=rule_id).first()
    if rule is None:
        raise RuleRefused(f"There is no rule with the id {rule_id}: somebody took it off its list before.")
    _remove(actor, _level_of(rule), rule)


def siblings(rule: AllowRule) -> QuerySet[AllowRule]:
    """Return the other rules of the same list. None: without this one it restricts nothing."""
    return _rules(_level_of(rule)).exclude(pk=rule.pk)


def _level_of(rule: AllowRule) -> Level:
    return Level(organisation_id=rule.organisation_id, unit_id=rule.unit_id, team_id=rule.team_id, key_id=rule.key_id)


def _add(actor: Actor, level: Level, *, pattern: str, group: AccessGroup | None) -> AllowRule:
    if sum(owner is not None for owner in (level.unit_id, level.team_id, level.key_id)) > 1:
        raise RuleRefused("An allow-list belongs to one unit, one team, one key, or the whole organisation.")
    scope = scope_of(
        organisation_id=level.organisation_id, unit_id=level.unit_id, team_id=level.team_id, key_id=level.key_id
    )
    # Two people may add the same rule at the same time: the organisation's row makes them wait for each other.
    Organisation.objects.select_for_update(no_key=True).get(pk=scope.organisation.pk)
    rule = _rules(level).filter(pattern=pattern, access_group=group).first()
    if rule is not None:
        return rule
    rule = AllowRule.objects.create(
        organisation=scope.organisation,
        unit=scope.unit,
        team=scope.team,
        key=scope.key,
        access_group=group,
        pattern=pattern,
    )
    audit.record(actor=actor, action="allow_rule.added", subject=f"allow_rule:{rule.id}", after=_facts(level, rule))
    return rule


def _remove(actor: Actor, level: Level, rule: AllowRule) -> None:
    subject, before = f"allow_rule:{rule.id}", _facts(level, rule)
    rule.delete()
    audit.record(actor=actor, action="allow_rule.removed", subject=subject, before=before)


def _rules(level: Level) -> QuerySet[AllowRule]:
    """The rules of exactly this level."""
    rules = AllowRule.objects.filter(organisation_id=level.organisation_id)
    for name in ("unit_id", "team_id", "key_id"):
        owner = getattr(level, name)
        rules = rules.filter(**{name: owner} if owner is not None else {f"{name}__isnull": True})
    return rules


def _facts(level: Level, rule: AllowRule) -> dict[str, object]:
    group = str(rule.access_group) if rule.access_group is not None else None
    return {**msgspec.structs.asdict(level), "pattern": rule.pattern, "access_group": group}
