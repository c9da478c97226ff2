"""Who changed what, when, from where and why: rows that can only be added, each chained to the one before."""

from django.contrib.postgres.functions import TransactionNow
from django.db import models

from governance.audit.append_only import append_only


class AuditEvent(models.Model):
    """One change. `digest` is SHA-256 over the previous digest and this row's content, so that a gap shows.

    `organisation_id` is whose console or token it was done through; None: the command line's or a task's, for the whole
    installation. `version` says what the digest covers: from 2 on also the instant and the organisation.
    """

    id = models.BigAutoField(primary_key=True)
    version = models.PositiveSmallIntegerField(default=1, db_default=1)
    organisation_id = models.BigIntegerField(null=True)
    occurred_at = models.DateTimeField(db_default=TransactionNow())
    actor = models.TextField(help_text="Who: a user's e-mail address, or the name of a command or task.")
    origin = models.TextField(default="", help_text="From where: an address, or the machine's name.")
    action = models.TextField(help_text="What, as noun.verb: key.issued, budget.limit_changed.")
    subject = models.TextField(help_text="The thing, as kind:id.")
    reason = models.TextField(default="")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    previous_digest = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32, unique=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["subject", "-id"], name="audit_events_by_subject"),
            models.Index(fields=["actor", "-id"], name="audit_events_by_actor"),
            models.Index(fields=["organisation_id", "-id"], name="audit_events_by_organisation"),
        ]
        triggers = [append_only("audit_event_is_append_only")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
