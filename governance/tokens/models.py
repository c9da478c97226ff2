"""Tokens of the management API."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from governance.teams.models import Organisation, User


class Token(models.Model):
    """One token: a person's, or with no `user` a service's. Only its end ever changes: revoke it and issue another."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="tokens")
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="tokens")
    name = models.TextField()
    scopes = ArrayField(models.TextField())
    public_id = models.TextField(unique=True)
    digest = models.BinaryField(max_length=32)
    issued_by = models.TextField(help_text="Who: a person's e-mail address, or the name of a command.")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(scopes=[]), name="a_token_is_for_something"),
        ]

    def __str__(self) -> str:
        return self.name


class TokenUse(models.Model):
    """When a token was last used, and how often in that minute."""

    token = models.OneToOneField(Token, on_delete=models.CASCADE, primary_key=True, related_name="use")
    last_used_at = models.DateTimeField()
    calls = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"token {self.token_id}: {self.last_used_at}"
