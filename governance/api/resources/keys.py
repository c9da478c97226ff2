"""Virtual keys. A key's text is in the answer that issues or rotates it and nowhere else."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body, read_query
from governance.api.fields import IdField, NameField, ReasonField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.schema import described, paged
from governance.core.clock import utc_now
from governance.keys import operations, queries
from governance.keys.models import VirtualKey
from governance.keys.operations import LONGEST_GRACE, NewKey
from governance.plugin.usage import MAX_COUNT
from governance.viewing.viewer import Viewer

_LONGEST_HOURS = LONGEST_GRACE // timedelta(hours=1)


class KeyShape(Shape):
    """A virtual key: never its text."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    team_id = serializers.IntegerField()
    user_id = serializers.IntegerField(allow_null=True, help_text="Whose it is; null: the team's as a whole.")
    prefix = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField(help_text="active, expired or revoked")
    default_tags = serializers.DictField(child=serializers.CharField())
    default_max_output_tokens = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.SerializerMethodField()

    def get_prefix(self, key: VirtualKey) -> str:
        """The visible beginning of its newest text."""
        return queries.prefix(key=key)

    def get_state(self, key: VirtualKey) -> str:
        """Whether it works."""
        return queries.state(key=key, at=utc_now()).value

    def get_last_used_at(self, key: VirtualKey) -> str | None:
        """When it was last used."""
        use = getattr(key, "use", None)
        return use.last_used_at.isoformat() if use is not None else None


class IssuedKeyShape(Shape):
    """A key and its text, which is shown this once."""

    key = KeyShape()
    text = serializers.CharField(help_text="Shown this once, and kept nowhere: bsr_...")


class KeysQuery(PageQuery):
    """Which keys."""

    team_id = IdField(required=False)


class NewKeyBody(Body):
    """A key to be issued."""

    team_id = IdField()
    name = NameField(help_text="What it is for.")
    user_id = IdField(required=False, allow_null=True, default=None, help_text="Whose; null: the team's as a whole.")
    default_tags = serializers.DictField(child=serializers.CharField(max_length=128), required=False, default=dict)
    default_max_output_tokens = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=MAX_COUNT
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class RotateBody(Body):
    """How long the former text keeps working."""

    grace_hours = serializers.IntegerField(min_value=0, max_value=_LONGEST_HOURS, default=24)


class ReasonBody(Body):
    """Why."""

    reason = ReasonField()


class Keys(ApiView):
    """All keys."""

    area = "keys"

    @described(answer=paged(KeyShape), query=KeysQuery)
    def get(self, request: Request) -> Response:
        """List the keys that you see, the newest first."""
        query = read_query(KeysQuery, request)
        keys = self.caller.viewer.visible_keys()
        if "team_id" in query:
            keys = keys.filter(team_id=query["team_id"])
        return answer(page_by_id(keys, query), KeyShape)

    @described(answer=IssuedKeyShape, body=NewKeyBody, status=201, example={"team_id": 3, "name": "search-production"})
    @changes
    def post(self, request: Request) -> Response:
        """Issue a key.

        Its text is in this answer and kept nowhere. Without `user_id` it belongs to the team as a whole, which only the
        team's owners and administrators can issue.
        """
        wanted, viewer = read_body(NewKeyBody, request), self.caller.viewer
        team = found(viewer.visible_teams(), wanted["team_id"], what="team")
        is_allowed = viewer.access.may_change_key(
            organisation_id=team.organisation_id, team_id=team.pk, user_id=wanted["user_id"]
        )
        ensure(is_allowed, f"You may not issue this key: an owner of {team.name} or an administrator can.")
        issued = operations.issue(
            actor=viewer.actor, at=utc_now(), pepper=settings.ENVIRONMENT.key_pepper, new=NewKey(**wanted)
        )
        return _issued(viewer, issued.key.pk, issued.text, status=201)


class Key(ApiView):
    """One key."""

    area = "keys"

    @described(answer=KeyShape)
    def get(self, request: Request, key_id: int) -> Response:
        """Show one key."""
        return Response(KeyShape(found(self.caller.viewer.visible_keys(), key_id, what="key")).data)


class KeyRotation(ApiView):
    """A new text for a key."""

    area = "keys"

    @described(answer=IssuedKeyShape, body=RotateBody, example={"grace_hours": 24})
    @changes
    def post(self, request: Request, key_id: int) -> Response:
        """Give a key a new text; the former ones work on for the grace period."""
        wanted, viewer = read_body(RotateBody, request), self.caller.viewer
        _changeable(viewer, key_id)
        issued = operations.rotate(
            actor=viewer.actor,
            at=utc_now(),
            key_id=key_id,
            pepper=settings.ENVIRONMENT.key_pepper,
            grace=timedelta(hours=wanted["grace_hours"]),
        )
        return _issued(viewer, key_id, issued.text, status=200)


class KeyRevocation(ApiView):
    """The end of a key."""

    area = "keys"

    @described(answer=KeyShape, body=ReasonBody, example={"reason": "It was in a public repository."})
    @changes
    def post(self, request: Request, key_id: int) -> Response:
        """Stop a key for good: no gateway accepts it a second later. Twice changes nothing."""
        wanted, viewer = read_body(ReasonBody, request), self.caller.viewer
        _changeable(viewer, key_id)
        operations.revoke(actor=viewer.actor, at=utc_now(), key_id=key_id, reason=wanted["reason"])
        return Response(KeyShape(found(viewer.visible_keys(), key_id, what="key")).data)


def _changeable(viewer: Viewer, key_id: int) -> None:
    key = found(viewer.visible_keys(), key_id, what="key")
    ensure(
        viewer.may_change_key(key), "You may see this key but not change it: a team's owner or an administrator can."
    )


def _issued(viewer: Viewer, key_id: int, text: str, *, status: int) -> Response:
    key: Any = found(viewer.visible_keys(), key_id, what="key")
    headers = {"Location": f"/api/v1/keys/{key_id}"} if status == 201 else {}
    return Response(IssuedKeyShape({"key": key, "text": text}).data, status=status, headers=headers)
