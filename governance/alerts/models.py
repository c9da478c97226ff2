"""What was noticed and to whom it was told."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from governance.audit.models import AuditEvent
from governance.budgets.models import Account, Threshold
from governance.teams.models import Organisation


class Recipient(models.Model):
    """Where an organisation's alerts go: a notifier plugin's name and a destination in its own form.

    `hears_alerts`: it is told of thresholds that are passed and of vendors' costs that go apart. `changes` is what of
    the audit trail it is told besides (`changes.py`), and `heard_until_id` the last event that was looked at for it.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="recipients")
    notifier = models.TextField()
    destination = models.TextField()
    hears_alerts = models.BooleanField(default=True, db_default=True)
    changes = ArrayField(models.TextField(), default=list, db_default=[], blank=True)
    heard_until_id = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "notifier", "destination"], name="a_recipient_is_named_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.notifier}: {self.destination}"


class Crossing(models.Model):
    """A threshold that was passed in a period. One row per account and threshold: told once."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="crossings")
    threshold = models.ForeignKey(Threshold, on_delete=models.CASCADE, related_name="crossings")
    settled_nano = models.BigIntegerField()
    held_nano = models.BigIntegerField(default=0, db_default=0)
    limit_nano = models.BigIntegerField()
    crossed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "threshold"], name="a_threshold_is_crossed_once_a_period")
        ]

    def __str__(self) -> str:
        return f"{self.threshold} of {self.account}"


class DriftAlarm(models.Model):
    """From which difference on an organisation is told that a vendor's cost and Bursar's own go apart; 0: never."""

    organisation = models.OneToOneField(Organisation, on_delete=models.CASCADE, primary_key=True)
    permille = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return f"{self.permille} per mille"


class Drift(models.Model):
    """A model through a connection whose vendor says it costs something else. One row and one telling a day (UTC)."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="drifts")
    connection = models.TextField()
    model = models.TextField()
    day = models.DateField()
    calls = models.BigIntegerField()
    apart = models.BigIntegerField()
    cost_nano = models.DecimalField(max_digits=60, decimal_places=18)
    vendor_cost_nano = models.DecimalField(max_digits=60, decimal_places=18)
    furthest = models.UUIDField(help_text="The attempt that differs most.")
    noticed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "connection", "model", "day"], name="a_drift_is_noticed_once_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} through {self.connection}"


class Delivery(models.Model):
    """The telling of one recipient of one crossing, drift or change, tried until it succeeds or `MAX_ATTEMPTS` failed.

    An attempt is counted and the next one set before the channel is asked, so that two deliverers never take the same
    one and a killed one is tried again. `last_error` says why the last attempt failed.
    """

    MAX_ATTEMPTS = 12

    class State(models.TextChoices):
        DELIVERED = "delivered"
        WAITING = "waiting"
        GIVEN_UP = "given up"

    crossing = models.ForeignKey(Crossing, on_delete=models.CASCADE, null=True, related_name="deliveries")
    drift = models.ForeignKey(Drift, on_delete=models.CASCADE, null=True, related_name="deliveries")
    event = models.ForeignKey(AuditEvent, on_delete=models.PROTECT, null=True, related_name="+")
    recipient = models.ForeignKey(Recipient, on_delete=models.CASCADE, related_name="deliveries")
    delivered_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["crossing", "recipient"], name="a_recipient_is_told_once_per_crossing"),
            models.UniqueConstraint(fields=["drift", "recipient"], name="a_recipient_is_told_once_per_drift"),
            models.UniqueConstraint(fields=["event", "recipient"], name="a_recipient_is_told_once_per_change"),
            models.CheckConstraint(
                condition=models.Q(crossing__isnull=False, drift__isnull=True, event__isnull=True)
                | models.Q(crossing__isnull=True, drift__isnull=False, event__isnull=True)
                | models.Q(crossing__isnull=True, drift__isnull=True, event__isnull=False),
                name="a_delivery_tells_of_one_thing",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(delivered_at__isnull=True), name="deliveries_still_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.told} to {self.recipient}"

    @property
    def told(self) -> str:
        """What it tells of, in a few words."""
        if self.crossing is not None:
            return f"{self.crossing.threshold} of {self.crossing.account.budget.name}"
        return f"cost of {self.drift}" if self.drift is not None else str(self.event)

    @property
    def state(self) -> State:
        """What became of it so far."""
        if self.delivered_at is not None:
            return self.State.DELIVERED
        return self.State.GIVEN_UP if self.attempts >= self.MAX_ATTEMPTS else self.State.WAITING
