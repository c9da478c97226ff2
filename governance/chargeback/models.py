"""Statements: what a cost centre is billed for a month. Proofs: the evidence that the books balance."""

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
        code = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in self.cost_centre.code)
        return f"statement-{self.month:%Y-%m}-{code}-v{self.version}.csv"


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
