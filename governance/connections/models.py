"""Accounts at vendors. The credential lives in a table of its own, which the console can write but not read."""

from django.db import models
from django.db.models.functions import Now

from governance.teams.models import Organisation


class Connection(models.Model):
    """One account at a vendor. `provider` is the name a plugin registered; `options` are that plugin's settings.

    `region` says where the vendor handles what is sent through it (empty: not known), as its administrator found out.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="connections")
    name = models.TextField()
    provider = models.TextField()
    base_url = models.TextField()
    options = models.JSONField(default=dict)
    region = models.TextField(default="", db_default="", blank=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="a_connection_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class SealedCredential(models.Model):
    """A vendor's secret under AES-256-GCM, with the connection's id as associated data."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, primary_key=True)
    sealing_key = models.TextField(help_text="Which of the sealing keys: its id, never the key.")
    nonce = models.BinaryField(max_length=12)
    ciphertext = models.BinaryField()
    sealed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"credential of connection {self.connection_id}"
