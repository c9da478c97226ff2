"""The organisation itself, and one business unit."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.alerts.drift import MOST_PERMILLE, drift_permille, set_drift_alarm
from governance.api.base import ApiView, Body, Shape, changes, read_body
from governance.api.fields import NameField
from governance.api.lookups import ensure, found
from governance.api.resources.teams import RegionsField, UnitShape, units_of
from governance.api.schema import described
from governance.chargeback.closing import needs_second_person, set_close_rules
from governance.teams import changes as renaming
from governance.teams import queries
from governance.teams.models import Organisation
from governance.teams.operations import keep_in_regions
from governance.viewing.viewer import Viewer

_ADMINISTRATORS = "Only administrators change what concerns the whole organisation. Ask one of them."
_PERMILLE_HELP = "From how many thousandths of a vendor's own cost on a difference is told; 0: never."
_SECOND_HELP = "Whether who reviewed a month may not close it."


class OrganisationShape(Shape):
    """The organisation."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    zone = serializers.CharField(help_text="The IANA time zone in which its months begin. It never changes.")
    regions = RegionsField(help_text="Where its requests may be handled; none: anywhere.")
    drift_alarm_permille = serializers.SerializerMethodField(help_text=_PERMILLE_HELP)
    needs_second_person = serializers.SerializerMethodField(help_text=_SECOND_HELP)

    def get_drift_alarm_permille(self, organisation: Organisation) -> int:
        """See `help_text`."""
        return drift_permille(organisation=organisation)

    def get_needs_second_person(self, organisation: Organisation) -> bool:
        """See `help_text`."""
        return needs_second_person(organisation=organisation)


class OrganisationBody(Body):
    """What is to be different. What is left out stays."""

    name = NameField(required=False)
    regions = RegionsField(required=False)
    drift_alarm_permille = serializers.IntegerField(
        required=False, min_value=0, max_value=MOST_PERMILLE, help_text=_PERMILLE_HELP
    )
    needs_second_person = serializers.BooleanField(required=False, help_text=_SECOND_HELP)


class UnitBody(Body):
    """What is to be different. What is left out stays."""

    name = NameField(required=False)
    regions = RegionsField(required=False)


class OneOrganisation(ApiView):
    """Yours."""

    area = "teams"

    @described(answer=OrganisationShape)
    def get(self, request: Request) -> Response:
        """Show the organisation."""
        return _shown(self.caller.viewer)

    @described(answer=OrganisationShape, body=OrganisationBody, example={"drift_alarm_permille": 25})
    @changes
    def patch(self, request: Request) -> Response:
        """Change what it is called, where its requests may be handled, or when differing costs are told."""
        wanted, viewer = read_body(OrganisationBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        here = viewer.organisation.pk
        if "name" in wanted:
            renaming.rename_organisation(actor=viewer.actor, organisation_id=here, name=wanted["name"])
        if "regions" in wanted:
            keep_in_regions(actor=viewer.actor, organisation_id=here, regions=wanted["regions"])
        if "drift_alarm_permille" in wanted:
            set_drift_alarm(
                actor=viewer.actor, organisation=viewer.organisation, permille=wanted["drift_alarm_permille"]
            )
        if "needs_second_person" in wanted:
            set_close_rules(
                actor=viewer.actor, organisation=viewer.organisation, second_person=wanted["needs_second_person"]
            )
        return _shown(viewer)


class OneUnit(ApiView):
    """One business unit."""

    area = "teams"

    @described(answer=UnitShape)
    def get(self, request: Request, unit_id: int) -> Response:
        """Show one business unit."""
        return Response(UnitShape(found(units_of(self.caller.viewer), unit_id, what="unit")).data)

    @described(answer=UnitShape, body=UnitBody, example={"name": "Products"})
    @changes
    def patch(self, request: Request, unit_id: int) -> Response:
        """Change what a business unit is called, or where its requests may be handled."""
        wanted, viewer = read_body(UnitBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        found(units_of(viewer), unit_id, what="unit")
        if "name" in wanted:
            renaming.rename_unit(actor=viewer.actor, unit_id=unit_id, name=wanted["name"])
        if "regions" in wanted:
            keep_in_regions(
                actor=viewer.actor,
                organisation_id=viewer.organisation.pk,
                unit_id=unit_id,
                regions=wanted["regions"],
            )
        return Response(UnitShape(found(units_of(viewer), unit_id, what="unit")).data)


def _shown(viewer: Viewer) -> Response:
    return Response(OrganisationShape(queries.organisation(organisation_id=viewer.organisation.pk)).data)
