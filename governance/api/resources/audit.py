"""The audit trail: who changed what, when, from where and why."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Shape, read_query
from governance.api.lookups import ensure
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.schema import described, paged
from governance.audit.models import AuditEvent
from governance.audit.queries import EventFilter, events
from governance.teams.queries import is_only_organisation

_LONGEST_TEXT = 300


class EventShape(Shape):
    """One change. `digest` covers it and the one before, so that a gap shows."""

    id = serializers.IntegerField()
    occurred_at = serializers.DateTimeField()
    actor = serializers.CharField()
    origin = serializers.CharField()
    action = serializers.CharField()
    subject = serializers.CharField()
    reason = serializers.CharField()
    before = serializers.DictField(allow_null=True)
    after = serializers.DictField(allow_null=True)
    digest = serializers.SerializerMethodField()

    def get_digest(self, event: AuditEvent) -> str:
        """SHA-256, in hexadecimal."""
        return bytes(event.digest).hex()


class EventsQuery(PageQuery):
    """Which events."""

    actor = serializers.CharField(required=False, default="", max_length=_LONGEST_TEXT)
    action = serializers.CharField(
        required=False, default="", max_length=_LONGEST_TEXT, help_text="Whole, or its beginning: key.issued, key."
    )
    subject = serializers.CharField(required=False, default="", max_length=_LONGEST_TEXT, help_text="As kind:id.")
    since = serializers.DateTimeField(required=False, allow_null=True, default=None)
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)


class Events(ApiView):
    """The trail."""

    area = "audit"

    @described(answer=paged(EventShape), query=EventsQuery)
    def get(self, request: Request) -> Response:
        """List what was changed by people and services of the organisation, the newest first.

        What commands and tasks did concerns the installation: it is among them where there is one organisation.
        """
        query, viewer = read_query(EventsQuery, request), self.caller.viewer
        home_id = viewer.organisation.pk
        may = viewer.access.may_see_trail(home_id)
        ensure(may, "Only administrators and auditors read the audit trail.")
        wanted = EventFilter(
            organisation_id=None if is_only_organisation(organisation_id=home_id) else home_id,
            **{name: query[name] for name in ("actor", "action", "subject", "since", "until")},
        )
        return answer(page_by_id(events(wanted=wanted), query), EventShape)
