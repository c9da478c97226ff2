"""Organisations, business units, cost centres, teams, people and their roles."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class User(AbstractUser):
    """A person who logs in to the console. Identified by e-mail address."""

    email = models.EmailField(unique=True)

    def __str__(self) -> str:
        return self.email


class Organisation(models.Model):
    """The company. `zone` is the IANA time zone in which its accounting months begin.

    `regions` is where its requests may be handled, as for its units and teams, of which each narrows further; none:
    anywhere.
    """

    name = models.TextField(unique=True)
    zone = models.TextField(default="UTC")
    regions = ArrayField(models.TextField(), default=list, db_default=[], blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name


class BusinessUnit(models.Model):
    """A part of the organisation that holds teams."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="units")
    name = models.TextField()
    regions = ArrayField(models.TextField(), default=list, db_default=[], blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="a_business_unit_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class CostCentre(models.Model):
    """Where finance books a team's spend."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="cost_centres")
    code = models.TextField()
    name = models.TextField(default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "code"], name="a_cost_centre_code_is_unique")]

    def __str__(self) -> str:
        return self.code


class Team(models.Model):
    """A group of people who share virtual keys. Never deleted, only archived: its records stay explainable."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="teams")
    unit = models.ForeignKey(BusinessUnit, on_delete=models.PROTECT, related_name="teams")
    cost_centre = models.ForeignKey(CostCentre, on_delete=models.PROTECT, related_name="teams")
    name = models.TextField()
    required_tags = ArrayField(models.TextField(), default=list, blank=True)
    regions = ArrayField(models.TextField(), default=list, db_default=[], blank=True)
    created_at = models.DateTimeField(db_default=Now())
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="a_team_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's part in a team."""

    class Part(models.TextChoices):
        OWNER = "owner"
        DEVELOPER = "developer"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    part = models.TextField(choices=Part.choices, default=Part.DEVELOPER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "team"], name="a_person_is_once_in_a_team")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"


class UnitOwner(models.Model):
    """A person who owns a whole business unit: each of its teams, those to come included."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="owned_units")
    unit = models.ForeignKey(BusinessUnit, on_delete=models.CASCADE, related_name="owners")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "unit"], name="a_unit_is_owned_once_by_a_person")]

    def __str__(self) -> str:
        return f"{self.user} owns {self.unit}"


class OrganisationRole(models.Model):
    """What a person may do in the whole organisation."""

    class Role(models.TextChoices):
        ADMIN = "admin"
        FINANCE = "finance"
        AUDITOR = "auditor"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="organisation_roles")
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="roles")
    role = models.TextField(choices=Role.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "organisation", "role"], name="a_role_is_given_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role}"
