"""Invitations, and an organisation's rules for logging in. Who somebody is and may do is in `teams`."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from governance.teams.models import Membership, Organisation, Team, User


class SignInRules(models.Model):
    """What an organisation asks of its people. Without a row: a password is enough, keys end with their holder."""

    organisation = models.OneToOneField(
        Organisation, on_delete=models.CASCADE, primary_key=True, related_name="sign_in_rules"
    )
    is_second_factor_required = models.BooleanField(default=False)
    are_personal_keys_kept = models.BooleanField(
        default=False, help_text="Whether the keys of somebody who is deactivated go on working."
    )

    def __str__(self) -> str:
        return f"sign-in rules of {self.organisation}"


class Invitation(models.Model):
    """Somebody is asked to come in. The link that was sent is derived from `nonce`, and only the newest one works."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    roles = ArrayField(models.TextField(), default=list, blank=True)
    nonce = models.TextField()
    invited_by = models.TextField(help_text="An e-mail address, or the name of a command.")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="invitations")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "email"],
                condition=models.Q(accepted_at=None, withdrawn_at=None),
                name="an_address_has_one_open_invitation",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(withdrawn_at=None),
                name="an_invitation_ends_one_way",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation of {self.email}"


class InvitedMembership(models.Model):
    """A team that somebody is in as soon as they accept."""

    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    part = models.TextField(choices=Membership.Part.choices, default=Membership.Part.DEVELOPER)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invitation", "team"], name="a_team_is_once_in_an_invitation"),
        ]

    def __str__(self) -> str:
        return f"{self.invitation}: {self.team}"
