"""Virtual keys: what a developer holds instead of a vendor's secret."""

from django.db import models
from django.db.models.functions import Now

from governance.teams.models import Organisation, Team, User


class VirtualKey(models.Model):
    """One key of one team. Its secrets are rows of their own, so that it can be rotated with a grace period.

    `default_max_output_tokens` is written into requests that name no maximum; `default_tags` are added to each.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="keys")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="keys")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="keys")
    name = models.TextField()
    default_tags = models.JSONField(default=dict, blank=True)
    default_max_output_tokens = models.BigIntegerField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(default_max_output_tokens__isnull=True) | models.Q(default_max_output_tokens__gt=0),
                name="a_default_maximum_is_positive",
            )
        ]

    def __str__(self) -> str:
        return self.name


class KeySecret(models.Model):
    """One secret of a key: its public id and the HMAC-SHA-256 of the secret under the server's pepper."""

    key = models.ForeignKey(VirtualKey, on_delete=models.CASCADE, related_name="secrets")
    public_id = models.TextField(unique=True)
    digest = models.BinaryField(max_length=32)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"bsr_{self.public_id}"


class KeyUse(models.Model):
    """When a key was last used. A table of its own, so that use does not look like a change of policy."""

    key = models.OneToOneField(VirtualKey, on_delete=models.CASCADE, primary_key=True, related_name="use")
    last_used_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"key {self.key_id}: {self.last_used_at}"
