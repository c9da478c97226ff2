"""Which teams keep answers: who sets it, within which bounds, and what the trail says."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command

from governance.policy.cache_rules import set_cache
from governance.policy.caching import CachePolicy
from governance.policy.errors import RuleRefused
from governance.policy.models import ResponseCache
from tests.support.company import ACTOR, found, last_event

pytestmark = pytest.mark.django_db
WISH = CachePolicy(ttl_seconds=60, max_bytes=2**20)


def _run(*words: str) -> Any:
    printed = io.StringIO()
    call_command("teams", "cache", *words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def test_a_team_keeps_answers_from_the_command_line_and_stops_with_the_trail_knowing() -> None:
    found()
    told = _run("search", "--minutes", "5", "--mebibytes", "2", "--model", "gpt-*", "--any-temperature")
    assert told == {
        "team": "search",
        "cache_minutes": 5,
        "cache_bytes": 2 * 1024 * 1024,
        "cache_models": ["gpt-*"],
        "any_temperature": True,
    }
    assert (last_event().action, last_event().after["ttl_seconds"]) == ("team.cache_changed", 300)
    assert _run("search", "--off")["cache_minutes"] is None
    assert last_event().after == {"is_on": False}
    assert not ResponseCache.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [{"ttl_seconds": 0}, {"ttl_seconds": 604_801}, {"max_bytes": 1}, {"max_bytes": 2**40}, {"patterns": ("gpt *",)}],
)
def test_what_cannot_be_kept_is_refused(wrong: dict[str, Any]) -> None:
    wish = CachePolicy(**{"ttl_seconds": 60, "max_bytes": 2**20, **wrong})
    with pytest.raises(RuleRefused):
        set_cache(actor=ACTOR, team_id=found().team.pk, wish=wish)


def test_the_same_wish_again_leaves_no_trace() -> None:
    team = found().team
    set_cache(actor=ACTOR, team_id=team.pk, wish=WISH)
    event = last_event().pk
    set_cache(actor=ACTOR, team_id=team.pk, wish=WISH)
    assert last_event().pk == event
