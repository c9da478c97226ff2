"""Writing which teams keep answers."""

from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.catalog.names import is_alias_pattern
from governance.policy.caching import LEAST_BYTES, LONGEST_SECONDS, MOST_BYTES, CachePolicy
from governance.policy.errors import RuleRefused
from governance.policy.models import ResponseCache
from governance.teams import queries as teams

_PATTERNS = 50


@transaction.atomic
def set_cache(*, actor: Actor, team_id: int, wish: CachePolicy | None) -> ResponseCache | None:
    """Let a team's answers be kept like this; None: not at all, and what is kept is forgotten within moments.

    Raises TeamNotFound, RuleRefused.
    """
    team = teams.team(team_id=team_id, is_locked=True)
    if wish is not None:
        _refuse(wish)
    rule = ResponseCache.objects.filter(team=team).first()
    before = _facts(rule)
    if wish is None:
        if rule is not None:
            rule.delete()
        rule = None
    else:
        rule = rule or ResponseCache(team=team)
        rule.ttl_seconds, rule.max_bytes = wish.ttl_seconds, wish.max_bytes
        rule.patterns, rule.is_any_temperature = list(wish.patterns), wish.is_any_temperature
        rule.save()
    after = _facts(rule)
    if after != before:
        audit.record(actor=actor, action="team.cache_changed", subject=f"team:{team.pk}", before=before, after=after)
    return rule


def _refuse(wish: CachePolicy) -> None:
    if not 0 < wish.ttl_seconds <= LONGEST_SECONDS:
        raise RuleRefused(f"Answers are kept for 1 second to {LONGEST_SECONDS // 86400} days.")
    if not LEAST_BYTES <= wish.max_bytes <= MOST_BYTES:
        raise RuleRefused(
            f"A team keeps {LEAST_BYTES // 1024} KiB to {MOST_BYTES // 1024**2} MiB of answers in each gateway process."
        )
    if len(wish.patterns) > _PATTERNS or not all(is_alias_pattern(pattern) for pattern in wish.patterns):
        raise RuleRefused(f"Name at most {_PATTERNS} model aliases, or globs such as gpt-*.")


def _facts(rule: ResponseCache | None) -> dict[str, object]:
    if rule is None:
        return {"is_on": False}
    return {
        "is_on": True,
        "ttl_seconds": rule.ttl_seconds,
        "max_bytes": rule.max_bytes,
        "patterns": rule.patterns,
        "is_any_temperature": rule.is_any_temperature,
    }
