"""Who is calling, and the tokens."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Shape, changes, read_body, read_query
from governance.api.lookups import found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.resources.keys import ReasonBody
from governance.api.schema import described, paged
from governance.core.clock import utc_now
from governance.tokens import operations, queries
from governance.tokens.models import Token


class TokenShape(Shape):
    """A token: never its text."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    user_id = serializers.IntegerField(allow_null=True, help_text="Whose it is; null: a service's.")
    prefix = serializers.SerializerMethodField()
    scopes = serializers.ListField(child=serializers.CharField())
    state = serializers.SerializerMethodField(help_text="active, expired or revoked")
    issued_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.SerializerMethodField()

    def get_prefix(self, token: Token) -> str:
        """The visible beginning of its text."""
        return queries.prefix(token=token)

    def get_state(self, token: Token) -> str:
        """Whether it works."""
        return queries.state(token=token, at=utc_now()).value

    def get_last_used_at(self, token: Token) -> str | None:
        """When it was last used."""
        use = getattr(token, "use", None)
        return use.last_used_at.isoformat() if use is not None else None


class MeShape(Shape):
    """Who calls."""

    organisation_id = serializers.IntegerField()
    organisation = serializers.CharField()
    user_id = serializers.IntegerField(allow_null=True, help_text="null: a service.")
    email = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    owned_team_ids = serializers.ListField(child=serializers.IntegerField())
    team_ids = serializers.ListField(child=serializers.IntegerField())
    token = TokenShape()


class Me(ApiView):
    """The caller."""

    area = "tokens"
    needs_scope = False

    @described(answer=MeShape)
    def get(self, request: Request) -> Response:
        """Say who you are, and what your token is for."""
        viewer = self.caller.viewer
        person = self.caller.token.user
        facts = {
            "organisation_id": viewer.organisation.pk,
            "organisation": viewer.organisation.name,
            "user_id": person.pk if person is not None else None,
            "email": person.email if person is not None else "",
            "roles": sorted(viewer.access.roles.get(viewer.organisation.pk, ())) if person is not None else [],
            "owned_team_ids": sorted(viewer.access.owned_team_ids()),
            "team_ids": sorted(viewer.access.team_ids()),
            "token": self.caller.token,
        }
        return Response(MeShape(facts).data)


class Tokens(ApiView):
    """All tokens."""

    area = "tokens"

    @described(answer=paged(TokenShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List your tokens, and as an administrator everybody's and the services', the newest first."""
        viewer = self.caller.viewer
        tokens = queries.visible_tokens(access=viewer.access, organisation_id=viewer.organisation.pk)
        return answer(page_by_id(tokens, read_query(PageQuery, request)), TokenShape)


class TokenRevocation(ApiView):
    """The end of a token."""

    area = "tokens"

    @described(answer=TokenShape, body=ReasonBody, example={"reason": "The laptop is lost."})
    @changes
    def post(self, request: Request, token_id: int) -> Response:
        """Stop a token for good. Twice changes nothing."""
        wanted, viewer = read_body(ReasonBody, request), self.caller.viewer
        tokens = queries.visible_tokens(access=viewer.access, organisation_id=viewer.organisation.pk)
        found(tokens, token_id, what="token")
        operations.revoke(actor=viewer.actor, at=utc_now(), token_id=token_id, reason=wanted["reason"])
        return Response(TokenShape(found(tokens, token_id, what="token")).data)
