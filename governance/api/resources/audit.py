"""The audit trail: who changed what, when, from where and why."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, read_body, read_query
from governance.api.files import FileRenderer
from governance.api.lookups import ensure
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.schema import described, paged
from governance.audit.export import MOST_EXPORTED, export_csv
from governance.audit.models import AuditEvent
from governance.audit.queries import ChainProof, EventFilter, events, verify_chain
from governance.core.clock import utc_now
from governance.teams.queries import is_only_organisation
from governance.viewing.viewer import Viewer

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


class TrailBody(Body):
    """Which events."""

    actor = serializers.CharField(required=False, default="", max_length=_LONGEST_TEXT)
    action = serializers.CharField(
        required=False, default="", max_length=_LONGEST_TEXT, help_text="Whole, or its beginning: key.issued, key."
    )
    subject = serializers.CharField(required=False, default="", max_length=_LONGEST_TEXT, help_text="As kind:id.")
    since = serializers.DateTimeField(required=False, allow_null=True, default=None)
    until = serializers.DateTimeField(required=False, allow_null=True, default=None)


class EventsQuery(PageQuery, TrailBody):
    """Which events, and which page of them."""


class ProofBody(Body):
    """What to look for."""

    expected = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=64, help_text="A digest that was in the chain before."
    )


class ProofShape(Shape):
    """What a walk along the chain found."""

    events = serializers.IntegerField(help_text="How many there are, up to the first that does not verify.")
    head = serializers.CharField(help_text="The digest of the last of them.")
    is_whole = serializers.SerializerMethodField()
    broken_event_id = serializers.SerializerMethodField()
    has_expected = serializers.BooleanField(allow_null=True, help_text="Whether yours is there; null: you gave none.")

    def get_is_whole(self, proof: ChainProof) -> bool:
        """Whether every event follows from the one before."""
        return proof.broken is None

    def get_broken_event_id(self, proof: ChainProof) -> int | None:
        """The first event that does not."""
        return proof.broken.pk if proof.broken is not None else None


class Events(ApiView):
    """The trail."""

    area = "audit"

    @described(answer=paged(EventShape), query=EventsQuery)
    def get(self, request: Request) -> Response:
        """List what was changed by people and services of the organisation, the newest first.

        What commands and tasks did concerns the installation: it is among them where there is one organisation.
        """
        query, viewer = read_query(EventsQuery, request), _reader(self.caller.viewer)
        return answer(page_by_id(events(wanted=_wanted(viewer, query)), query), EventShape)


class Export(ApiView):
    """The trail as a file."""

    area = "audit"
    reads_by = frozenset({"POST"})
    renderer_classes = (FileRenderer, JSONRenderer)

    @described(
        answer={(200, "text/csv"): OpenApiTypes.BINARY}, body=TrailBody, is_reading=True, example={"action": "key"}
    )
    def post(self, request: Request) -> Response:
        """Download the events that match as CSV, the newest 100,000 at most. That it was read is an event itself."""
        query, viewer = read_body(TrailBody, request), _reader(self.caller.viewer)
        content = b"".join(export_csv(actor=viewer.actor, wanted=_wanted(viewer, query), most=MOST_EXPORTED))
        headers = {"Content-Disposition": f'attachment; filename="audit-{utc_now():%Y-%m-%d}.csv"'}
        return Response(content, headers=headers, content_type="text/csv; charset=utf-8")


class Proof(ApiView):
    """Whether anybody touched the trail."""

    area = "audit"
    reads_by = frozenset({"POST"})

    @described(answer=ProofShape, body=ProofBody, is_reading=True, example={"expected": "5f2d..."})
    def post(self, request: Request) -> Response:
        """Walk along the whole chain of digests, and look for one that you wrote down before.

        Keep `head` elsewhere: given as `expected` another time, it shows whether events at the end were cut off.
        """
        query = read_body(ProofBody, request)
        _reader(self.caller.viewer)
        return Response(ProofShape(verify_chain(expected=query["expected"].strip())).data)


def _reader(viewer: Viewer) -> Viewer:
    ensure(viewer.may_see_trail, "Only administrators and auditors read the audit trail.")
    return viewer


def _wanted(viewer: Viewer, query: dict[str, Any]) -> EventFilter:
    home_id = viewer.organisation.pk
    return EventFilter(
        organisation_id=None if is_only_organisation(organisation_id=home_id) else home_id,
        **{name: query[name] for name in ("actor", "action", "subject", "since", "until")},
    )
