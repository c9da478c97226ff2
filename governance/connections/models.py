"""Accounts at vendors. The credential lives in a table of its own, which the console can write but not read."""

from django.db import models
from django.db.models.functions import Now

from governance.teams.models import BusinessUnit, Organisation, Team


class Connection(models.Model):
    """One account at a vendor. `provider` is the name a plugin registered; `options` are that plugin's settings.

    `region` says where the vendor handles what is sent through it (empty: not known), as its administrator found out.
    An own account of a team or unit serves only its keys, for good; `is_charged`: what they use is booked on them as
    through any other. If not, they pay their vendor themselves, and it is booked at no cost.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="connections")
    name = models.TextField()
    provider = models.TextField()
    base_url = models.TextField()
    options = models.JSONField(default=dict)
    region = models.TextField(default="", db_default="", blank=True)
    unit = models.ForeignKey(BusinessUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="connections")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="connections")
    is_charged = models.BooleanField(default=True, db_default=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="a_connection_name_is_unique"),
            models.CheckConstraint(
                condition=models.Q(unit__isnull=True) | models.Q(team__isnull=True),
                name="an_own_connection_is_of_one_unit_or_team",
            ),
            models.CheckConstraint(
                condition=models.Q(is_charged=True) | models.Q(unit__isnull=False) | models.Q(team__isnull=False),
                name="a_shared_connection_is_charged",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def owner_text(self) -> str:
        """Whose own account it is: "team search"; empty where everybody's keys may use it."""
        if self.team is not None:
            return f"team {self.team}"
        return f"unit {self.unit}" if self.unit is not None else ""


class SealedCredential(models.Model):
    """A vendor's secret under AES-256-GCM, with the connection's id as associated data."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, primary_key=True)
    sealing_key = models.TextField(help_text="Which of the sealing keys: its id, never the key.")
    nonce = models.BinaryField(max_length=12)
    ciphertext = models.BinaryField()
    sealed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"credential of connection {self.connection_id}"
