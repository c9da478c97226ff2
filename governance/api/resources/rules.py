"""What requests of a team may do, and what is kept of them: guards, the response cache, stored prompts."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body
from governance.api.lookups import found
from governance.api.resources.teams import changeable_team
from governance.api.schema import described
from governance.core.errors import NotFound
from governance.policy.cache_rules import set_cache
from governance.policy.caching import LEAST_BYTES, LONGEST_SECONDS, MOST_BYTES, CachePolicy
from governance.policy.guard_rules import Guarding, set_guard
from governance.policy.guards import GuardAction
from governance.policy.models import GuardRule, ResponseCache
from governance.policy.operations import Level
from governance.prompts.models import PromptStorage
from governance.prompts.operations import LEAST_BYTES as LEAST_STORED
from governance.prompts.operations import MOST_BYTES as MOST_STORED
from governance.prompts.operations import MOST_DAYS, StoringWish, turn_off, turn_on
from governance.viewing.installed import installed_guards
from governance.viewing.viewer import Viewer

_ACTIONS = [each.value for each in GuardAction]
_MOST_PATTERNS = 50


class GuardShape(Shape):
    """What a guard does with what it finds in requests and replies of a team; null: it does not look there."""

    guard = serializers.CharField()
    requests = serializers.ChoiceField(choices=_ACTIONS, allow_null=True)
    replies = serializers.ChoiceField(choices=_ACTIONS, allow_null=True)


class GuardBody(Body):
    """What becomes of what the guard finds; null: it does not look there. Both null: it is off."""

    requests = serializers.ChoiceField(choices=_ACTIONS, allow_null=True)
    replies = serializers.ChoiceField(choices=_ACTIONS, allow_null=True)


class CacheShape(Shape):
    """How a team's answers are kept for the same request again."""

    ttl_seconds = serializers.IntegerField()
    max_bytes = serializers.IntegerField(help_text="In each gateway process.")
    patterns = serializers.ListField(child=serializers.CharField(), help_text="Only these aliases; none: all.")
    is_any_temperature = serializers.BooleanField(help_text="Also where a request does not ask for temperature 0.")


class CacheBody(Body):
    """How a team's answers are to be kept."""

    ttl_seconds = serializers.IntegerField(min_value=1, max_value=LONGEST_SECONDS)
    max_bytes = serializers.IntegerField(min_value=LEAST_BYTES, max_value=MOST_BYTES)
    patterns = serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=_MOST_PATTERNS, required=False, default=list
    )
    is_any_temperature = serializers.BooleanField(default=False)


class StorageShape(Shape):
    """For how long a team's requests and replies are stored, and how much of each."""

    days = serializers.IntegerField()
    max_bytes = serializers.IntegerField()


class StorageBody(Body):
    """For how long, and how much of a request and of its reply."""

    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS)
    max_bytes = serializers.IntegerField(min_value=LEAST_STORED, max_value=MOST_STORED)


class RulesShape(Shape):
    """All of a team's own rules; null where it has none."""

    guards = GuardShape(many=True)
    cache = CacheShape(allow_null=True)
    prompts = StorageShape(allow_null=True)


class TeamRules(ApiView):
    """A team's own rules."""

    area = "teams"

    @described(answer=RulesShape)
    def get(self, request: Request, team_id: int) -> Response:
        """Show what requests of a team may do, and what is kept of them."""
        team = found(self.caller.viewer.visible_teams(), team_id, what="team")
        rules = {
            "guards": [_guard_facts(rule) for rule in GuardRule.objects.filter(team=team).order_by("guard")],
            "cache": ResponseCache.objects.filter(team=team).first(),
            "prompts": PromptStorage.objects.filter(team=team).first(),
        }
        return Response(RulesShape(rules).data)


class TeamGuard(ApiView):
    """One guard of a team."""

    area = "teams"

    @described(answer=GuardShape, body=GuardBody, example={"requests": "block", "replies": None})
    @changes
    def put(self, request: Request, team_id: int, guard: str) -> Response:
        """Let a guard look at requests and replies of a team, or not any more."""
        wanted, viewer = read_body(GuardBody, request), self.caller.viewer
        team = changeable_team(viewer, team_id)
        if not guard.isprintable():
            raise NotFound("There is no such guard.")
        rule = set_guard(
            actor=viewer.actor,
            level=Level(organisation_id=team.organisation_id, team_id=team.pk),
            guard=guard,
            guarding=Guarding(requests=_action(wanted["requests"]), replies=_action(wanted["replies"])),
            offered=installed_guards(),
        )
        facts: Mapping[str, Any] = {"guard": guard, "requests": None, "replies": None}
        return Response(GuardShape(_guard_facts(rule) if rule is not None else facts).data)


class TeamCache(ApiView):
    """A team's response cache."""

    area = "teams"

    @described(answer=CacheShape, body=CacheBody, example={"ttl_seconds": 3600, "max_bytes": 16_777_216})
    @changes
    def put(self, request: Request, team_id: int) -> Response:
        """Keep a team's answers for the same request again."""
        wanted, viewer = read_body(CacheBody, request), self.caller.viewer
        changeable_team(viewer, team_id)
        wish = CachePolicy(**wanted | {"patterns": tuple(wanted["patterns"])})
        return Response(CacheShape(set_cache(actor=viewer.actor, team_id=team_id, wish=wish)).data)

    @described(status=204)
    @changes
    def delete(self, request: Request, team_id: int) -> Response:
        """Keep nothing any more; what is kept is forgotten within moments."""
        viewer = self.caller.viewer
        changeable_team(viewer, team_id)
        set_cache(actor=viewer.actor, team_id=team_id, wish=None)
        return Response(status=204)


class TeamPrompts(ApiView):
    """What is stored of a team's requests."""

    area = "teams"

    @described(answer=StorageShape, body=StorageBody, example={"days": 30, "max_bytes": 262_144})
    @changes
    def put(self, request: Request, team_id: int) -> Response:
        """Store a team's requests and replies, sealed, for some days."""
        wanted, viewer = read_body(StorageBody, request), self.caller.viewer
        changeable_team(viewer, team_id)
        storage = turn_on(
            actor=viewer.actor,
            team_id=team_id,
            wish=StoringWish(**wanted),
            sealing_keys=settings.ENVIRONMENT.sealing_keys,
        )
        return Response(StorageShape(storage).data)

    @described(status=204)
    @changes
    def delete(self, request: Request, team_id: int) -> Response:
        """Store nothing any more, and erase what is stored, for good."""
        viewer: Viewer = self.caller.viewer
        changeable_team(viewer, team_id)
        turn_off(actor=viewer.actor, team_id=team_id)
        return Response(status=204)


def _guard_facts(rule: GuardRule) -> dict[str, str | None]:
    return {"guard": rule.guard, "requests": rule.requests or None, "replies": rule.replies or None}


def _action(word: str | None) -> GuardAction | None:
    return GuardAction(word) if word else None
