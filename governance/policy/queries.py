"""Reading rate limits, guard rules and allow-lists, and the answer to "may this key call that alias?"."""

from django.db.models import Q, QuerySet

from governance.keys import queries as keys
from governance.keys.models import VirtualKey
from governance.policy.errors import RateLimitNotFound
from governance.policy.matching import Decision, Rules, may
from governance.policy.models import AllowRule, GuardRule, RateLimit
from governance.policy.regions import RegionRule
from governance.teams.models import Team


def rules_of(*, organisation_id: int) -> QuerySet[AllowRule]:
    """Return the organisation's allow rules of every level, with whose they are."""
    return (
        AllowRule.objects.filter(organisation_id=organisation_id)
        .select_related("unit", "team", "key", "access_group")
        .order_by("unit__name", "team__name", "key_id", "id")
    )


def guard_rules_of(*, organisation_id: int) -> QuerySet[GuardRule]:
    """Return the organisation's guard rules of every level, from its own down, with whose they are."""
    return (
        GuardRule.objects.filter(organisation_id=organisation_id)
        .select_related("organisation", "unit", "team")
        .order_by("team_id", "unit_id", "guard")
    )


def rate_limit(*, limit_id: int, is_locked: bool = False) -> RateLimit:
    """Return one rate limit. Raises RateLimitNotFound."""
    rows = RateLimit.objects.select_for_update(of=("self",), no_key=True) if is_locked else RateLimit.objects.all()
    found = rows.filter(id=limit_id).first()
    if found is None:
        raise RateLimitNotFound(f"There is no rate limit with the id {limit_id}: list them with `bursar limits list`.")
    return found


def live_rate_limits(*, organisation_id: int) -> QuerySet[RateLimit]:
    """Return the rate limits that still count, with whose they are."""
    return RateLimit.objects.filter(organisation_id=organisation_id, retired_at__isnull=True).select_related(
        "organisation", "unit", "team", "key", "user", "model_group"
    )


def limit_scope_text(limit: RateLimit) -> str:
    """Say whose rate limit it is: "team default"."""
    for kind, owner in (("key", limit.key), ("person", limit.user), ("team", limit.team), ("unit", limit.unit)):
        if owner is not None:
            return f"{kind} {owner}"
    return f"organisation {limit.organisation}"


def limit_narrowed_to(limit: RateLimit) -> list[tuple[str, str]]:
    """Return what calls must have to be counted, as kind and name: ("provider", "openai"). Empty: all are."""
    named = (
        ("models", limit.model_pattern),
        ("model group", limit.model_group.name if limit.model_group is not None else ""),
        ("provider", limit.provider),
    )
    return [(kind, name) for kind, name in named if name]


def levels_of(*, team: Team, key: VirtualKey | None = None) -> tuple[Rules, ...]:
    """Return what the allow-lists above a team, and of one of its keys, hold, from the organisation down; a level
    without rules has None.
    """
    narrow = Q(unit_id=None, team_id=None, key_id=None) | Q(unit_id=team.unit_id) | Q(team_id=team.pk)
    if key is not None:
        narrow |= Q(key_id=key.pk)
    rules = list(AllowRule.objects.filter(narrow, organisation_id=team.organisation_id).select_related("access_group"))
    levels = (
        _level(f"organisation {team.organisation}", [r for r in rules if r.unit_id is r.team_id is r.key_id is None]),
        _level(f"unit {team.unit}", [rule for rule in rules if rule.unit_id is not None]),
        _level(f"team {team}", [rule for rule in rules if rule.team_id is not None]),
    )
    return levels if key is None else (*levels, _level(f"key {key}", [r for r in rules if r.key_id is not None]))


def region_rules_of(*, team: Team) -> list[RegionRule]:
    """Return where the requests of a team may be handled, from the organisation down."""
    kept = (("organisation", team.organisation), ("unit", team.unit), ("team", team))
    return [RegionRule(f"{kind} {whose}", tuple(whose.regions)) for kind, whose in kept if whose.regions]


def may_call(*, key_id: int, alias: str) -> Decision:
    """Return whether the key may call the alias, and which rule decides. Raises KeyNotFound."""
    key = keys.key(key_id=key_id)
    return may(alias, levels_of(team=key.team, key=key))


def _level(title: str, rules: list[AllowRule]) -> Rules:
    if not rules:
        return Rules(title, None)
    patterns: list[str] = []
    for rule in rules:
        patterns += rule.access_group.patterns if rule.access_group is not None else [rule.pattern]
    return Rules(title, tuple(patterns))
