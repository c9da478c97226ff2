"""Attempts in flight or of unknown outcome, and the gateway processes that made them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Worker(models.Model):
    """One incarnation of a gateway process. Its `epoch` is fenced before anything of it is recovered."""

    class State(models.TextChoices):
        ALIVE = "alive"
        DEAD = "dead"

    epoch = models.BigAutoField(primary_key=True)
    host = models.TextField(help_text="The machine and folder of its lock: who sees that folder can prove it dead.")
    lock_name = models.TextField(unique=True, help_text="The file it keeps locked while it lives.")
    process_id = models.IntegerField()
    state = models.TextField(choices=State.choices, default=State.ALIVE, db_default=State.ALIVE)
    last_sequence = models.BigIntegerField(default=0, db_default=0)
    started_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"epoch {self.epoch}"


class Attempt(models.Model):
    """A reservation whose outcome is not booked yet: in flight (`open`) or unknown (`suspense`).

    `held_nano` stands as held on every account of `account_ids`. Booking the outcome deletes the row and writes a usage
    record. Ids are plain numbers: they were read from the policy snapshot, and the row must be insertable whatever
    changed meanwhile.
    """

    class State(models.TextChoices):
        OPEN = "open"
        SUSPENSE = "suspense"

    id = models.UUIDField(primary_key=True)
    request_id = models.UUIDField()
    epoch = models.ForeignKey(Worker, on_delete=models.PROTECT, db_column="epoch", related_name="attempts")
    state = models.TextField(choices=State.choices, default=State.OPEN, db_default=State.OPEN)
    suspense_reason = models.TextField(default="", db_default="")
    admitted_at = models.DateTimeField()
    held_nano = models.BigIntegerField()
    account_ids = ArrayField(models.BigIntegerField())
    organisation_id = models.BigIntegerField()
    unit_id = models.BigIntegerField()
    cost_centre_id = models.BigIntegerField()
    team_id = models.BigIntegerField()
    key_id = models.BigIntegerField()
    user_id = models.BigIntegerField(null=True)
    model_id = models.BigIntegerField()
    deployment_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    alias = models.TextField()
    wire = models.TextField()
    is_stream = models.BooleanField()
    tags = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["epoch"], name="attempts_by_epoch")]
        constraints = [models.CheckConstraint(condition=models.Q(held_nano__gte=0), name="a_hold_is_not_negative")]

    def __str__(self) -> str:
        return str(self.id)


class Overrun(models.Model):
    """A settlement that was larger than its reservation: a broken bound, to be looked at by people."""

    attempt_id = models.UUIDField(primary_key=True)
    reserved_nano = models.BigIntegerField()
    charge_nano = models.BigIntegerField()
    found_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.attempt_id)
