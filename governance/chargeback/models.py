"""Statements: what a cost centre is billed for a month. Proofs: the evidence that the books balance."""

import pgtrigger
from django.db import models
from django.db.models.functions import Now

from governance.audit.append_only import append_only
from governance.teams.models import CostCentre, Organisation


class Statement(models.Model):
    """One month of one cost centre, as a file that was written once. `total_nano` equals the ledger's expense.

    A new version is written when the facts changed, which `facts_sha256` tells; a renamed team is no new fact.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="statements")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="statements")
    month = models.DateField(help_text="The first day of the month.")
    version = models.PositiveSmallIntegerField(default=1)
    total_nano = models.BigIntegerField()
    content = models.BinaryField(help_text="The CSV file, UTF-8.")
    sha256 = models.TextField()
    facts_sha256 = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-month", "cost_centre__code", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["cost_centre", "month", "version"], name="a_statement_version_is_written_once"
            ),
            models.CheckConstraint(condition=models.Q(month__day=1), name="a_statement_month_is_its_first_day"),
        ]
        triggers = [append_only("statement_is_append_only")]

    def __str__(self) -> str:
        return f"{self.cost_centre} {self.month:%Y-%m}"

    @property
    def file_name(self) -> str:
        """The name a reader saves it under: only letters, digits, dot and hyphen."""
        return f"{self._name}.csv"

    @property
    def spreadsheet_name(self) -> str:
        """The same of the spreadsheet."""
        return f"{self._name}.xlsx"

    @property
    def _name(self) -> str:
        code = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in self.cost_centre.code)
        return f"statement-{self.month:%Y-%m}-{code}-v{self.version}"


class CloseRules(models.Model):
    """What an organisation asks of closing a month. Without a row: one person may review and close."""

    organisation = models.OneToOneField(
        Organisation, on_delete=models.CASCADE, primary_key=True, related_name="close_rules"
    )
    needs_second_person = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"close rules of {self.organisation}"


class MonthClose(models.Model):
    """A month that is not open any more, and how far its closing is. One that is closed never changes.

    `findings` is what stood against it when it was begun, and `reason` why it went on. `written_at` is when its
    statements were there; `trouble` says why they are not.
    """

    class State(models.TextChoices):
        CLOSING = "closing"
        REVIEWED = "reviewed"
        CLOSED = "closed"

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="month_closes")
    month = models.DateField(help_text="The first day of the month.")
    state = models.TextField(choices=State.choices, default=State.CLOSING)
    findings = models.JSONField(default=list)
    reason = models.TextField(default="", blank=True)
    begun_by = models.TextField()
    begun_at = models.DateTimeField()
    written_at = models.DateTimeField(null=True)
    trouble = models.TextField(default="", blank=True)
    reviewed_by = models.TextField(default="", blank=True)
    reviewed_at = models.DateTimeField(null=True)
    closed_by = models.TextField(default="", blank=True)
    closed_at = models.DateTimeField(null=True)
    total_nano = models.BigIntegerField(null=True)
    manifest = models.BinaryField(default=b"", help_text="JSON, UTF-8.")
    manifest_sha256 = models.TextField(default="", blank=True)

    class Meta:
        ordering = ["-month"]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "month"], name="a_month_has_one_close"),
            models.CheckConstraint(condition=models.Q(month__day=1), name="a_closing_month_is_its_first_day"),
            models.CheckConstraint(
                condition=~models.Q(state="closed")
                | models.Q(closed_at__isnull=False, reviewed_at__isnull=False, written_at__isnull=False),
                name="a_closed_month_was_written_and_reviewed",
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="a_closed_month_never_changes",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__state="closed"),
                func="RAISE EXCEPTION 'A closed month never changes: book a correction in the next open one.';",
            )
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class LedgerProof(models.Model):
    """One run of the proof that balances follow from records and postings. No failures: the books balanced."""

    proved_at = models.DateTimeField()
    records = models.BigIntegerField()
    entries = models.BigIntegerField()
    accounts = models.BigIntegerField()
    audit_events = models.BigIntegerField()
    failure_count = models.BigIntegerField()
    failures = models.JSONField(help_text="The first rows of each check that do not balance.")

    class Meta:
        ordering = ["-proved_at"]
        triggers = [append_only("ledger_proof_is_append_only")]

    def __str__(self) -> str:
        return f"{self.failure_count} failures at {self.proved_at:%Y-%m-%d %H:%M}"
