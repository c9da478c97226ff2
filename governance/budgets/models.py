"""Limits of money, and one account per budget and period."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeBoundary, RangeOperators
from django.db import models
from django.db.models.functions import Now

from governance.catalog.models import AccessGroup, DateTimeRange
from governance.core.windows import WindowKind
from governance.keys.models import VirtualKey
from governance.teams.models import BusinessUnit, Organisation, Team, User


class Budget(models.Model):
    """A limit in nano-USD over a window, for one scope: the organisation, or one unit, team, key or person in it.

    It narrows further to what is given of: aliases that match the glob `model_pattern`, or one of an access group;
    a provider; a tag ("" as its value stands for any). A soft budget never refuses. Window and scope never change:
    retire the budget and make another.
    """

    class Enforcement(models.TextChoices):
        HARD = "hard"
        SOFT = "soft"

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="budgets")
    unit = models.ForeignKey(BusinessUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="budgets")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="budgets")
    key = models.ForeignKey(VirtualKey, on_delete=models.PROTECT, null=True, blank=True, related_name="budgets")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="budgets")
    name = models.TextField()
    model_pattern = models.TextField(default="", blank=True)
    model_group = models.ForeignKey(
        AccessGroup, on_delete=models.PROTECT, null=True, blank=True, related_name="budgets"
    )
    provider = models.TextField(default="", db_default="", blank=True)
    tag_name = models.TextField(default="", db_default="", blank=True)
    tag_value = models.TextField(default="", db_default="", blank=True)
    limit_nano = models.BigIntegerField()
    window = models.TextField(choices=[(kind.value, kind.value) for kind in WindowKind])
    zone = models.TextField(default="UTC")
    first_month = models.PositiveSmallIntegerField(default=1)
    enforcement = models.TextField(choices=Enforcement.choices, default=Enforcement.HARD)
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(limit_nano__gte=0), name="a_limit_is_not_negative"),
            models.CheckConstraint(
                condition=models.Q(first_month__gte=1, first_month__lte=12), name="a_first_month_is_a_month"
            ),
            models.CheckConstraint(
                condition=models.Q(model_pattern="") | models.Q(model_group__isnull=True),
                name="a_budget_names_a_pattern_or_a_group",
            ),
            models.CheckConstraint(
                condition=models.Q(tag_value="") | ~models.Q(tag_name=""), name="a_budget_names_the_tag_of_a_value"
            ),
            models.UniqueConstraint(
                fields=["organisation", "name"],
                condition=models.Q(retired_at__isnull=True),
                name="a_live_budget_name_is_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Account(models.Model):
    """One period of one budget. remaining = limit - settled - held, in nano-USD; changed only by SQL functions."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="accounts")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    limit_nano = models.BigIntegerField()
    settled_nano = models.BigIntegerField(default=0, db_default=0)
    held_nano = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["budget", "starts_at"], name="a_period_has_one_account"),
            models.CheckConstraint(
                condition=models.Q(settled_nano__gte=0, held_nano__gte=0, limit_nano__gte=0),
                name="an_account_is_never_negative",
            ),
            ExclusionConstraint(
                name="periods_of_a_budget_do_not_overlap",
                expressions=[
                    ("budget", RangeOperators.EQUAL),
                    (DateTimeRange("starts_at", "ends_at", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget} from {self.starts_at:%Y-%m-%d}"


class Threshold(models.Model):
    """Tell somebody when settled money passes this share of the limit; once per period."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="thresholds")
    percent = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["percent"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "percent"], name="a_threshold_is_unique"),
            models.CheckConstraint(
                condition=models.Q(percent__gte=1, percent__lte=1000), name="a_threshold_is_a_percentage"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % of {self.budget}"
