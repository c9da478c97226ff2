"""Invitations, rules for logging in, identity providers and what their groups give. Who may do what is in `teams`."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower, Now

from governance.teams.models import Membership, Organisation, OrganisationRole, Team, User


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


class IdentityProvider(models.Model):
    """A company's own log-in. `slug` is part of addresses and of links to people: it is never used for another one.

    `domains` are the mail domains it vouches for: only addresses in them are joined to accounts that are there.
    """

    class Kind(models.TextChoices):
        OIDC = "oidc"
        SAML = "saml"

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="identity_providers")
    kind = models.TextField(choices=Kind.choices)
    slug = models.SlugField(max_length=40, unique=True)
    name = models.TextField()
    issuer = models.TextField(help_text="OIDC: its issuer, exactly as it names itself. SAML: its entity id.")
    client_id = models.TextField(default="", blank=True)
    sso_url = models.TextField(default="", blank=True)
    certificate = models.TextField(default="", blank=True)
    domains = ArrayField(models.TextField(), default=list, blank=True)
    groups_claim = models.TextField(default="groups", help_text="The claim or attribute that names somebody's groups.")
    are_addresses_trusted = models.BooleanField(default=False)
    is_open_to_new_people = models.BooleanField(default=False)
    is_second_factor_trusted = models.BooleanField(default=False)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="an_identity_provider_name_is_unique"),
            models.CheckConstraint(
                condition=~models.Q(kind="oidc", client_id=""), name="an_oidc_provider_has_a_client_id"
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="saml", certificate="") & ~models.Q(kind="saml", sso_url=""),
                name="a_saml_provider_has_an_address_and_a_certificate",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProviderSecret(models.Model):
    """What we prove ourselves with at an identity provider, sealed for its row."""

    provider = models.OneToOneField(IdentityProvider, on_delete=models.CASCADE, primary_key=True, related_name="secret")
    sealing_key = models.TextField()
    nonce = models.BinaryField(max_length=12)
    ciphertext = models.BinaryField()

    def __str__(self) -> str:
        return f"secret of {self.provider}"


class GroupRule(models.Model):
    """What everybody in a group of an identity provider gets: a role in the organisation, or a part in a team."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="group_rules")
    group = models.TextField()
    role = models.TextField(choices=OrganisationRole.Role.choices, default="", blank=True)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="group_rules")
    part = models.TextField(choices=Membership.Part.choices, default="", blank=True)

    class Meta:
        ordering = ["group", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "group", "role", "team"],
                nulls_distinct=False,
                name="a_group_gives_a_thing_once",
            ),
            models.CheckConstraint(
                condition=(models.Q(team=None, part="") & ~models.Q(role=""))
                | (models.Q(team__isnull=False, role="") & ~models.Q(part="")),
                name="a_group_rule_gives_a_role_or_a_part",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group}: {self.role or f'{self.team} ({self.part})'}"


class PersonGroups(models.Model):
    """The groups that an identity provider named when somebody last came through it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="named_groups")
    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="named_groups")
    names = ArrayField(models.TextField(), default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "provider"], name="groups_are_noted_once_a_provider")]

    def __str__(self) -> str:
        return f"groups of {self.user} at {self.provider}"


class GivenByGroup(models.Model):
    """A role or part that somebody has because of their groups, and which goes with them. What hands gave stays."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="given_by_groups")
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+")
    role = models.TextField(default="", blank=True)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    part = models.TextField(default="", blank=True)
    former_part = models.TextField(default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "organisation", "role", "team"],
                nulls_distinct=False,
                name="a_thing_is_given_by_groups_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role or f'{self.team} ({self.part})'}"


class ScimToken(models.Model):
    """What a company's directory proves itself with. Only a digest of its text is kept."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="scim_tokens")
    name = models.TextField()
    public_id = models.TextField(unique=True)
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class ScimPerson(models.Model):
    """What a directory says of somebody beyond what Bursar needs, and whether it removed them."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="scim_people")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="scim_people")
    user_name = models.TextField()
    external_id = models.TextField(default="", blank=True)
    document = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "user"], name="a_person_is_provisioned_once"),
            models.UniqueConstraint(
                "organisation",
                Lower("user_name"),
                condition=models.Q(removed_at=None),
                name="a_scim_user_name_is_unique",
            ),
        ]
        indexes = [models.Index(fields=["organisation", "external_id"], name="scim_people_by_external_id")]

    def __str__(self) -> str:
        return self.user_name


class ScimGroup(models.Model):
    """A group of a company's directory. What it gives is said by rules on its name or external id."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="scim_groups")
    display_name = models.TextField()
    external_id = models.TextField(default="", blank=True)
    members = models.ManyToManyField(User, related_name="scim_groups")
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint("organisation", Lower("display_name"), name="a_scim_group_name_is_unique"),
        ]

    def __str__(self) -> str:
        return self.display_name
