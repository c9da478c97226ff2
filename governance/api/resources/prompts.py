"""What is stored of a request and its reply: read by a token that is for it, with a reason, and known to the trail."""

from typing import ClassVar
from uuid import UUID

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body
from governance.api.lookups import ensure
from governance.api.schema import described
from governance.core.errors import NotFound
from governance.prompts.operations import read
from governance.viewing.explanation import explanation


class PromptBody(Body):
    """Why somebody reads it."""

    reason = serializers.CharField(max_length=500, help_text="Kept in the audit trail.")


class PromptShape(Shape):
    """What was asked and answered, as the bytes on the wire."""

    request = serializers.CharField()
    reply = serializers.CharField()


class Prompt(ApiView):
    """What is stored of one request."""

    area = "prompts"
    reads_by: ClassVar[frozenset[str]] = frozenset({"POST"})

    @described(answer=PromptShape, body=PromptBody, example={"reason": "A customer complained about this answer."})
    @changes
    def post(self, request: Request, attempt_id: UUID) -> Response:
        """Read what is stored of a request and its reply. The trail keeps who did, and why.

        For administrators and the team's owners, with a token whose scopes name prompts:read.
        """
        wanted, viewer = read_body(PromptBody, request), self.caller.viewer
        shown = explanation(viewer=viewer, attempt_id=attempt_id)
        if shown is None or shown.request is None:
            raise NotFound(f"There is no request {attempt_id}, or none that you may know of.")
        may = viewer.may_read_prompts(shown.request.team_id)
        ensure(may, "Only administrators and the team's owners read what its requests say.")
        said = read(
            actor=viewer.actor,
            request_id=shown.request.request_id,
            sealing_keys=settings.ENVIRONMENT.sealing_keys,
            reason=wanted["reason"],
        )
        texts = {name: getattr(said, name).decode("utf-8", "replace") for name in ("request", "reply")}
        return Response(PromptShape(texts).data)
