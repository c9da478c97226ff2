"""Accounts at vendors: never their credentials."""

from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body, read_query
from governance.api.fields import IdField, NameField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.resources.teams import units_of
from governance.api.schema import described, paged
from governance.connections import operations
from governance.connections.models import Connection
from governance.connections.operations import NewConnection, Owner
from governance.connections.queries import connections_of
from governance.core.clock import utc_now
from governance.viewing.installed import installed_providers
from governance.viewing.viewer import Viewer

_READERS = "Only administrators and auditors see connections to vendors."
_ADMINISTRATORS = "Only administrators change connections to vendors. Ask one of them."
_LONGEST_CREDENTIAL = 16_384


class OptionsField(serializers.DictField):
    """The provider's own settings."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=serializers.CharField(max_length=2000, allow_blank=True), **options)


class ConnectionShape(Shape):
    """An account at a vendor: never its credential."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    provider = serializers.CharField()
    base_url = serializers.CharField()
    options = serializers.DictField(child=serializers.CharField())
    region = serializers.CharField(help_text="Where the vendor handles requests; empty: not known.")
    unit_id = serializers.IntegerField(allow_null=True, help_text="Whose own account it is.")
    team_id = serializers.IntegerField(allow_null=True, help_text="Whose own account it is.")
    is_charged = serializers.BooleanField()
    is_enabled = serializers.BooleanField()
    has_credential = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class NewConnectionBody(Body):
    """An account to be added."""

    name = NameField()
    provider = serializers.CharField(max_length=100)
    base_url = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=2000, help_text="Without one the vendor's own."
    )
    credential = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=_LONGEST_CREDENTIAL,
        help_text="The account's API key. It is sealed, and nobody sees it again.",
    )
    region = serializers.CharField(required=False, allow_blank=True, default="", max_length=64)
    options = OptionsField(required=False, default=dict)
    unit_id = IdField(required=False, allow_null=True, default=None)
    team_id = IdField(required=False, allow_null=True, default=None)
    is_charged = serializers.BooleanField(default=True)

    def validate(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What is everybody's is charged, and an own account is one owner's."""
        if wanted["unit_id"] is not None and wanted["team_id"] is not None:
            raise serializers.ValidationError("An own account belongs to one unit or to one team.")
        if wanted["unit_id"] is wanted["team_id"] is None and not wanted["is_charged"]:
            raise serializers.ValidationError(
                "What is used through everybody's connection is charged: say whose it is."
            )
        return wanted


class ConnectionChangeBody(Body):
    """What is to be different. What is left out stays."""

    base_url = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    options = OptionsField(required=False)
    region = serializers.CharField(required=False, allow_blank=True, max_length=64)
    is_charged = serializers.BooleanField(required=False)
    is_enabled = serializers.BooleanField(required=False)
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class CredentialBody(Body):
    """A new credential."""

    credential = serializers.CharField(max_length=_LONGEST_CREDENTIAL)


class Connections(ApiView):
    """All connections."""

    area = "connections"

    @described(answer=paged(ConnectionShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the accounts at vendors, the newest first."""
        viewer = self.caller.viewer
        _ensure_reader(viewer)
        rows = connections_of(organisation_id=viewer.organisation.pk)
        return answer(page_by_id(rows, read_query(PageQuery, request)), ConnectionShape)

    @described(
        answer=ConnectionShape,
        body=NewConnectionBody,
        status=201,
        example={"name": "openai-eu", "provider": "openai", "credential": "the account's API key", "region": "eu"},
    )
    @changes
    def post(self, request: Request) -> Response:
        """Add an account at a vendor, and seal its credential."""
        wanted, viewer = read_body(NewConnectionBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        owner = _owner(viewer, wanted)
        new = NewConnection(
            organisation_id=viewer.organisation.pk,
            name=wanted["name"],
            provider=wanted["provider"],
            base_url=wanted["base_url"],
            credential=wanted["credential"],
            region=wanted["region"],
            options=wanted["options"],
            owner=owner,
        )
        added = operations.add(
            actor=viewer.actor,
            at=utc_now(),
            sealing_keys=settings.ENVIRONMENT.sealing_keys,
            providers=installed_providers(),
            new=new,
        )
        return _shown(viewer, added.pk, status=201)


class OneConnection(ApiView):
    """One connection."""

    area = "connections"

    @described(answer=ConnectionShape)
    def get(self, request: Request, connection_id: int) -> Response:
        """Show one account at a vendor."""
        _ensure_reader(self.caller.viewer)
        return _shown(self.caller.viewer, connection_id)

    @described(
        answer=ConnectionShape,
        body=ConnectionChangeBody,
        example={"is_enabled": False, "reason": "The vendor raised its prices."},
    )
    @changes
    def patch(self, request: Request, connection_id: int) -> Response:
        """Change where the vendor is, its options and region, whether it is charged, or whether it is used at all."""
        wanted, viewer = read_body(ConnectionChangeBody, request), self.caller.viewer
        connection = _changeable(viewer, connection_id)
        actor = viewer.actor
        if "base_url" in wanted or "options" in wanted:
            operations.change(
                actor=actor,
                connection_id=connection_id,
                providers=installed_providers(),
                base_url=wanted.get("base_url", connection.base_url),
                options=wanted.get("options", connection.options),
            )
        if "region" in wanted:
            operations.place(actor=actor, connection_id=connection_id, region=wanted["region"])
        if "is_charged" in wanted:
            operations.change_charging(actor=actor, connection_id=connection_id, is_charged=wanted["is_charged"])
        if "is_enabled" in wanted:
            operations.change_use(
                actor=actor,
                connection_id=connection_id,
                is_enabled=wanted["is_enabled"],
                reason=wanted["reason"],
            )
        return _shown(viewer, connection_id)


class ConnectionCredential(ApiView):
    """The credential of a connection."""

    area = "connections"

    @described(answer=ConnectionShape, body=CredentialBody, example={"credential": "the account's new API key"})
    @changes
    def put(self, request: Request, connection_id: int) -> Response:
        """Replace the credential. It is sealed, and nobody sees it again."""
        wanted, viewer = read_body(CredentialBody, request), self.caller.viewer
        _changeable(viewer, connection_id)
        operations.replace_credential(
            actor=viewer.actor,
            at=utc_now(),
            sealing_keys=settings.ENVIRONMENT.sealing_keys,
            connection_id=connection_id,
            credential=wanted["credential"],
        )
        return _shown(viewer, connection_id)


def _ensure_reader(viewer: Viewer) -> None:
    ensure(viewer.access.may_see_settings(viewer.organisation.pk), _READERS)


def _changeable(viewer: Viewer, connection_id: int) -> Connection:
    ensure(viewer.may_administer, _ADMINISTRATORS)
    return found(connections_of(organisation_id=viewer.organisation.pk), connection_id, what="connection")


def _owner(viewer: Viewer, wanted: dict[str, Any]) -> Owner | None:
    if wanted["team_id"] is not None:
        found(viewer.visible_teams(), wanted["team_id"], what="team")
        return Owner(team_id=wanted["team_id"], is_charged=wanted["is_charged"])
    if wanted["unit_id"] is not None:
        found(units_of(viewer), wanted["unit_id"], what="unit")
        return Owner(unit_id=wanted["unit_id"], is_charged=wanted["is_charged"])
    return None


def _shown(viewer: Viewer, connection_id: int, *, status: int = 200) -> Response:
    connection = found(connections_of(organisation_id=viewer.organisation.pk), connection_id, what="connection")
    headers = {"Location": f"/api/v1/connections/{connection_id}"} if status == 201 else {}
    return Response(ConnectionShape(connection).data, status=status, headers=headers)
