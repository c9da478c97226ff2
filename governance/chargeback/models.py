"""Statements: what a cost centre is billed for a month."""

from django.db import models
from django.db.models.functions import Now

from governance.teams.models import CostCentre, Organisation


class Statement(models.Model):
    """One month of one cost centre, as a file that was written once. `total_nano` equals the ledger's expense."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="statements")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="statements")
    month = models.DateField(help_text="The first day of the month.")
    version = models.PositiveSmallIntegerField(default=1)
    total_nano = models.BigIntegerField()
    content = models.BinaryField(help_text="The CSV file, UTF-8.")
    sha256 = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-month", "cost_centre__code"]
        constraints = [
            models.UniqueConstraint(
                fields=["cost_centre", "month", "version"], name="a_statement_version_is_written_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.cost_centre} {self.month:%Y-%m}"
