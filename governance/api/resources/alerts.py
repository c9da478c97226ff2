"""Who is told of passed thresholds, and what became of each telling."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.alerts import operations
from governance.alerts.changes import MOST_PATTERNS
from governance.alerts.models import Delivery
from governance.alerts.queries import crossings_of, deliveries_of, recipients_of
from governance.api.base import ApiView, Body, Shape, changes, read_body, read_query
from governance.api.fields import UsdField
from governance.api.lookups import ensure
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.schema import described, paged
from governance.core.clock import utc_now
from governance.viewing.installed import installed_notifiers
from governance.viewing.viewer import Viewer

_READERS = "Only administrators and auditors see who is told."
_ADMINISTRATORS = "Only administrators say who is told. Ask one of them."


class RecipientShape(Shape):
    """Somebody who is told."""

    id = serializers.IntegerField()
    notifier = serializers.CharField(help_text="The channel: a plugin offers it.")
    destination = serializers.CharField()
    hears_alerts = serializers.BooleanField()
    changes = serializers.ListField(child=serializers.CharField())


class NewRecipientBody(Body):
    """Where to tell, and of what."""

    notifier = serializers.CharField(max_length=100)
    destination = serializers.CharField(max_length=2000, help_text="An address, as the channel understands it.")
    hears_alerts = serializers.BooleanField(
        required=False, default=True, help_text="Of thresholds that are passed, and of vendors' costs that go apart."
    )
    changes = serializers.ListField(
        child=serializers.CharField(max_length=100),
        required=False,
        default=list,
        max_length=MOST_PATTERNS,
        help_text="Events of the audit trail: key.issued, key for all of a kind, * for all.",
    )


class TrialShape(Shape):
    """What became of a test message."""

    error = serializers.CharField(help_text="Why it was not delivered; empty when it was.")


class CrossingShape(Shape):
    """A threshold that was passed."""

    id = serializers.IntegerField()
    budget_id = serializers.IntegerField(source="account.budget_id")
    budget = serializers.CharField(source="account.budget.name")
    percent = serializers.IntegerField(source="threshold.percent")
    measure = serializers.CharField(source="threshold.measure")
    settled_usd = UsdField(source="settled_nano")
    held_usd = UsdField(source="held_nano")
    limit_usd = UsdField(source="limit_nano")
    crossed_at = serializers.DateTimeField()


class DeliveryShape(Shape):
    """The telling of one recipient of one thing."""

    id = serializers.IntegerField()
    recipient_id = serializers.IntegerField()
    crossing_id = serializers.IntegerField(allow_null=True)
    event_id = serializers.IntegerField(allow_null=True, help_text="Of the audit trail.")
    told = serializers.CharField(help_text="What it tells of, in words.")
    state = serializers.ChoiceField(choices=[each.value for each in Delivery.State])
    attempts = serializers.IntegerField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    next_attempt_at = serializers.DateTimeField()
    last_error = serializers.CharField()


class Recipients(ApiView):
    """Everybody who is told."""

    area = "alerts"

    @described(answer=paged(RecipientShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List who is told, the newest first."""
        viewer = _reader(self.caller.viewer)
        rows = recipients_of(organisation=viewer.organisation)
        return answer(page_by_id(rows, read_query(PageQuery, request)), RecipientShape)

    @described(
        answer=RecipientShape,
        body=NewRecipientBody,
        status=201,
        example={
            "notifier": "webhook",
            "destination": "https://hooks.acme.example/bursar",
            "changes": ["key", "budget.limit_changed"],
        },
    )
    @changes
    def post(self, request: Request) -> Response:
        """Tell somebody from now on: of thresholds that are passed, and of the changes that you name.

        A webhook is signed (Standard Webhooks), and never sent into the operator's own network.
        """
        wanted, viewer = read_body(NewRecipientBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        recipient = operations.add_recipient(
            organisation=viewer.organisation, notifiers=installed_notifiers(), actor=viewer.actor, **wanted
        )
        return Response(RecipientShape(recipient).data, status=201)


class OneRecipient(ApiView):
    """One of them."""

    area = "alerts"

    @described(status=204)
    @changes
    def delete(self, request: Request, recipient_id: int) -> Response:
        """Stop telling somebody, and forget what they were told."""
        viewer = self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        operations.remove_recipient(organisation=viewer.organisation, recipient_id=recipient_id, actor=viewer.actor)
        return Response(status=204)


class RecipientTest(ApiView):
    """A test message."""

    area = "alerts"

    @described(answer=TrialShape)
    def post(self, request: Request, recipient_id: int) -> Response:
        """Send a test message, now and once, and say what became of it."""
        viewer = self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        [trial] = operations.send_test(
            organisation=viewer.organisation,
            notifiers=installed_notifiers(),
            at=utc_now(),
            recipient_id=recipient_id,
        )
        return Response(TrialShape(trial).data)


class Crossings(ApiView):
    """What was passed."""

    area = "alerts"

    @described(answer=paged(CrossingShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the thresholds that were passed by budgets that you see, the newest first."""
        viewer = self.caller.viewer
        rows = crossings_of(organisation=viewer.organisation).filter(account__in=viewer.visible_accounts())
        return answer(page_by_id(rows, read_query(PageQuery, request)), CrossingShape)


class Deliveries(ApiView):
    """What was told."""

    area = "alerts"

    @described(answer=paged(DeliveryShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List who was to be told of what, and what became of it, the newest first."""
        viewer = _reader(self.caller.viewer)
        rows = deliveries_of(organisation=viewer.organisation)
        return answer(page_by_id(rows, read_query(PageQuery, request)), DeliveryShape)


def _reader(viewer: Viewer) -> Viewer:
    ensure(viewer.access.may_see_settings(viewer.organisation.pk), _READERS)
    return viewer
