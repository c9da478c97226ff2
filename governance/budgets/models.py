"""Limits of money, and one account per budget and period."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeBoundary, RangeOperators
from django.db import models
from django.db.models.functions import Coalesce, Now

from governance.budgets.thresholds import Measure, threshold_text
from governance.catalog.models import AccessGroup, DateTimeRange
from governance.core.windows import WindowKind
from governance.keys.models import VirtualKey
from governance.teams.models import BusinessUnit, Organisation, Team, User


class Budget(models.Model):
    """A limit in nano-USD over a window, for one scope: the organisation, or one unit, team, key or person in it.

    It narrows further to what is given of: aliases that match the glob `model_pattern`, or one of an access group;
    a provider; a tag ("" as its value stands for any). Pooled, all share one account; per member, each person (or key
    without a person) has one with the whole limit. A soft budget never refuses. Only the limit ever changes: retire the
    budget and make another.
    """

    class Enforcement(models.TextChoices):
        HARD = "hard"
        SOFT = "soft"

    class Sharing(models.TextChoices):
        POOLED = "pooled"
        PER_MEMBER = "per_member"

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
    sharing = models.TextField(choices=Sharing.choices, default=Sharing.POOLED, db_default=Sharing.POOLED)
    carries_over = models.BooleanField(default=False, db_default=False)
    carry_cap_nano = models.BigIntegerField(null=True, blank=True)
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
            models.CheckConstraint(
                condition=models.Q(sharing="pooled") | models.Q(key__isnull=True, user__isnull=True),
                name="a_budget_of_one_person_or_key_has_no_members",
            ),
            models.CheckConstraint(
                condition=models.Q(carry_cap_nano__isnull=True) | models.Q(carries_over=True, carry_cap_nano__gte=0),
                name="a_cap_is_on_what_is_carried_over",
            ),
            models.CheckConstraint(
                condition=models.Q(carries_over=False) | ~models.Q(window="total"),
                name="a_budget_without_periods_carries_nothing_over",
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
    """One period of one budget, or of one member of it; changed only by SQL functions. Amounts in nano-USD.

    `limit_nano` is the budget's own. What may be spent at an instant is `budgets_limit_at(account, instant)`: that
    limit, what was carried over, and the increases in force, of which none reaches beyond `increased_until`.
    """

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="accounts")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="budget_accounts")
    key = models.ForeignKey(VirtualKey, on_delete=models.PROTECT, null=True, blank=True, related_name="budget_accounts")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    limit_nano = models.BigIntegerField()
    settled_nano = models.BigIntegerField(default=0, db_default=0)
    held_nano = models.BigIntegerField(default=0, db_default=0)
    carried_nano = models.BigIntegerField(default=0, db_default=0)
    increased_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "starts_at", "user", "key"],
                nulls_distinct=False,
                name="a_member_has_one_account_per_period",
            ),
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) | models.Q(key__isnull=True),
                name="an_account_is_of_one_member_at_most",
            ),
            models.CheckConstraint(
                condition=models.Q(carried_nano__gte=0), name="what_is_carried_over_is_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(settled_nano__gte=0, held_nano__gte=0, limit_nano__gte=0),
                name="an_account_is_never_negative",
            ),
            ExclusionConstraint(
                name="periods_of_a_member_do_not_overlap",
                expressions=[
                    ("budget", RangeOperators.EQUAL),
                    (Coalesce("user_id", 0), RangeOperators.EQUAL),
                    (Coalesce("key_id", 0), RangeOperators.EQUAL),
                    (DateTimeRange("starts_at", "ends_at", RangeBoundary()), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget} from {self.starts_at:%Y-%m-%d}"


class Increase(models.Model):
    """More money between two instants, for everybody who shares the budget or for one member of it. Never edited."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="increases")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="budget_increases")
    key = models.ForeignKey(
        VirtualKey, on_delete=models.PROTECT, null=True, blank=True, related_name="budget_increases"
    )
    amount_nano = models.BigIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["starts_at", "id"]
        indexes = [models.Index(fields=["budget", "ends_at"], name="increases_by_their_end")]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_nano__gt=0), name="an_increase_is_positive"),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="an_increase_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) | models.Q(key__isnull=True),
                name="an_increase_is_for_one_member_at_most",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_nano} nano-USD more for {self.budget}"


class IncreaseRequest(models.Model):
    """Somebody asks for more money, until an instant or for good; somebody else approves or declines, once."""

    class State(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"
        DECLINED = "declined"
        WITHDRAWN = "withdrawn"

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="increase_requests")
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="increase_requests")
    requested_at = models.DateTimeField(db_default=Now())
    amount_nano = models.BigIntegerField()
    until = models.DateTimeField(null=True, blank=True)
    reason = models.TextField()
    state = models.TextField(choices=State.choices, default=State.OPEN)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="decided_increase_requests"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(default="", blank=True)
    granted_nano = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount_nano__gt=0), name="a_request_asks_for_something"),
            models.CheckConstraint(
                condition=models.Q(decided_by__isnull=True) | ~models.Q(decided_by=models.F("requested_by")),
                name="nobody_decides_a_request_of_their_own",
            ),
            models.CheckConstraint(
                condition=models.Q(state="open", decided_at__isnull=True)
                | (~models.Q(state="open") & models.Q(decided_at__isnull=False)),
                name="a_request_is_open_until_it_is_decided",
            ),
            models.CheckConstraint(
                condition=models.Q(state="approved", decided_by__isnull=False, granted_nano__gt=0)
                | (~models.Q(state="approved") & models.Q(granted_nano__isnull=True)),
                name="an_approval_says_whose_and_how_much",
            ),
            models.UniqueConstraint(
                fields=["budget", "requested_by"],
                condition=models.Q(state="open"),
                name="a_person_has_one_open_request_per_budget",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.requested_by} asks for {self.amount_nano} nano-USD more for {self.budget}"


class Threshold(models.Model):
    """Tell somebody when settled, or settled and held, money passes this share of the limit; once per period."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="thresholds")
    percent = models.PositiveSmallIntegerField()
    measure = models.TextField(
        choices=[(measure.value, measure.value) for measure in Measure],
        default=Measure.SETTLED.value,
        db_default=Measure.SETTLED.value,
    )

    class Meta:
        ordering = ["percent", "-measure"]
        constraints = [
            models.UniqueConstraint(fields=["budget", "percent", "measure"], name="a_threshold_is_unique"),
            models.CheckConstraint(
                condition=models.Q(measure__in=[measure.value for measure in Measure]),
                name="a_threshold_measures_settled_or_committed_money",
            ),
            models.CheckConstraint(
                condition=models.Q(percent__gte=1, percent__lte=1000), name="a_threshold_is_a_percentage"
            ),
        ]

    def __str__(self) -> str:
        return threshold_text(percent=self.percent, measure=self.measure)
