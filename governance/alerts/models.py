"""What was noticed and to whom it was told."""

from django.db import models
from django.db.models.functions import Now

from governance.budgets.models import Account, Threshold
from governance.teams.models import Organisation


class Recipient(models.Model):
    """Where an organisation's alerts go: a notifier plugin's name and a destination in its own form."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="recipients")
    notifier = models.TextField()
    destination = models.TextField()

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


class Delivery(models.Model):
    """The telling of one recipient of one crossing, tried until it succeeds or `MAX_ATTEMPTS` failed.

    An attempt is counted and the next one set before the channel is asked, so that two deliverers never take the same
    one and a killed one is tried again. `last_error` says why the last attempt failed.
    """

    MAX_ATTEMPTS = 12

    class State(models.TextChoices):
        DELIVERED = "delivered"
        WAITING = "waiting"
        GIVEN_UP = "given up"

    crossing = models.ForeignKey(Crossing, on_delete=models.CASCADE, related_name="deliveries")
    recipient = models.ForeignKey(Recipient, on_delete=models.CASCADE, related_name="deliveries")
    delivered_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["crossing", "recipient"], name="a_recipient_is_told_once_per_crossing")
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(delivered_at__isnull=True), name="deliveries_still_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.crossing} to {self.recipient}"

    @property
    def state(self) -> State:
        """What became of it so far."""
        if self.delivered_at is not None:
            return self.State.DELIVERED
        return self.State.GIVEN_UP if self.attempts >= self.MAX_ATTEMPTS else self.State.WAITING
