"""Work at vendors that outlives the call which began it."""

from django.db import models
from django.db.models.functions import Now

from governance.metering.models import DurableReservation


class Job(models.Model):
    """One batch or background reply at a vendor, and the reservation that pays for it, under the same id.

    sending: the vendor was asked, and its answer is not known (yet). open: the vendor has it under `vendor_id`. ended:
    the reservation has ended, too. `shown` is the vendor's own description as it was seen last, which holds no prompt.
    Ids of other rooms are plain numbers: they were read from the policy snapshot.
    """

    class State(models.TextChoices):
        SENDING = "sending"
        OPEN = "open"
        ENDED = "ended"

    reservation = models.OneToOneField(
        DurableReservation, on_delete=models.PROTECT, primary_key=True, db_column="id", related_name="job"
    )
    kind = models.TextField(help_text="JobKind: the API, and what it is there.")
    team_id = models.BigIntegerField(help_text="Whose it is: keys of this team find it.")
    connection_id = models.BigIntegerField()
    state = models.TextField(choices=State.choices, default=State.SENDING, db_default=State.SENDING)
    vendor_id = models.TextField(default="", db_default="")
    status = models.TextField(default="", db_default="", help_text="The vendor's word.")
    shown = models.TextField(default="", db_default="")
    looks = models.IntegerField(default=0, db_default=0)
    next_look_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_look_at"], condition=~models.Q(state="ended"), name="jobs_to_look_at"),
            models.Index(fields=["team_id", "kind", "-created_at"], name="jobs_of_a_team"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["connection_id", "kind", "vendor_id"],
                condition=~models.Q(vendor_id=""),
                name="a_job_at_a_vendor_is_known_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.vendor_id or self.pk}"


class File(models.Model):
    """A file at a vendor that holds the lines of a job, or its results: `job` is set for those.

    `lines` are the name and the bound of each line, from which its worst case is worked out when a batch is begun; what
    the file says is at the vendor alone.
    """

    team_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    deployment_id = models.BigIntegerField(null=True)
    vendor_id = models.TextField()
    wire = models.TextField(default="", db_default="")
    alias = models.TextField(default="", db_default="")
    lines = models.BinaryField(null=True)
    shown = models.TextField(default="", db_default="")
    job = models.ForeignKey(Job, on_delete=models.PROTECT, null=True, related_name="files")
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["team_id", "-created_at"], name="files_of_a_team")]
        constraints = [
            models.UniqueConstraint(fields=["connection_id", "vendor_id"], name="a_file_at_a_vendor_is_known_once")
        ]

    def __str__(self) -> str:
        return self.vendor_id
