"""Who may call what, how often, and what may pass.

A level without allow rules restricts nothing; one with rules allows only what one of them does.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from governance.catalog.models import AccessGroup
from governance.keys.models import VirtualKey
from governance.policy.guards import GuardAction
from governance.policy.rate_limit import Counts, LimitWindow, limit_text
from governance.teams.models import BusinessUnit, Organisation, Team, User

_GUARDING = ["", *(each.value for each in GuardAction)]


class AllowRule(models.Model):
    """One line of an allow-list: a pattern or an access group, for the organisation, a unit, a team or a key."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="allow_rules")
    unit = models.ForeignKey(BusinessUnit, on_delete=models.CASCADE, null=True, blank=True, related_name="allow_rules")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="allow_rules")
    key = models.ForeignKey(VirtualKey, on_delete=models.CASCADE, null=True, blank=True, related_name="allow_rules")
    access_group = models.ForeignKey(
        AccessGroup, on_delete=models.PROTECT, null=True, blank=True, related_name="allow_rules"
    )
    pattern = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(access_group__isnull=True) ^ models.Q(pattern=""),
                name="an_allow_rule_is_a_pattern_or_a_group",
            )
        ]

    def __str__(self) -> str:
        return self.pattern or str(self.access_group)


class RateLimit(models.Model):
    """How many requests or tokens per window, or requests at once, for one scope, given exactly as a budget's.

    It narrows further to aliases that match the glob `model_pattern`, or one of an access group, and to a provider.
    Pooled, all share the amount; per member, each person (or key without a person) has all of it. Windows begin at the
    full minute, hour or day of UTC. Only the amount ever changes: retire the limit and make another.
    """

    class Sharing(models.TextChoices):
        POOLED = "pooled"
        PER_MEMBER = "per_member"

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="rate_limits")
    unit = models.ForeignKey(BusinessUnit, on_delete=models.PROTECT, null=True, blank=True, related_name="rate_limits")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="rate_limits")
    key = models.ForeignKey(VirtualKey, on_delete=models.PROTECT, null=True, blank=True, related_name="rate_limits")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="rate_limits")
    name = models.TextField()
    model_pattern = models.TextField(default="", db_default="", blank=True)
    model_group = models.ForeignKey(
        AccessGroup, on_delete=models.PROTECT, null=True, blank=True, related_name="rate_limits"
    )
    provider = models.TextField(default="", db_default="", blank=True)
    counts = models.TextField(choices=[(each.value, each.value) for each in Counts])
    amount = models.BigIntegerField()
    window = models.TextField(choices=[(each.value, each.value) for each in LimitWindow], null=True, blank=True)
    sharing = models.TextField(choices=Sharing.choices, default=Sharing.POOLED, db_default=Sharing.POOLED)
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="a_rate_limit_allows_something"),
            models.CheckConstraint(
                condition=models.Q(counts__in=[each.value for each in Counts]), name="a_rate_limit_counts_something"
            ),
            models.CheckConstraint(
                condition=models.Q(counts="concurrent", window__isnull=True)
                | (~models.Q(counts="concurrent") & models.Q(window__in=[each.value for each in LimitWindow])),
                name="a_rate_is_per_window_and_concurrency_is_not",
            ),
            models.CheckConstraint(
                condition=models.Q(model_pattern="") | models.Q(model_group__isnull=True),
                name="a_rate_limit_names_a_pattern_or_a_group",
            ),
            models.CheckConstraint(
                condition=models.Q(sharing="pooled") | models.Q(key__isnull=True, user__isnull=True),
                name="a_rate_limit_of_one_person_or_key_has_no_members",
            ),
            models.UniqueConstraint(
                fields=["organisation", "name"],
                condition=models.Q(retired_at__isnull=True),
                name="a_live_rate_limit_name_is_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def text(self) -> str:
        """What is allowed, in words."""
        return limit_text(counts=self.counts, amount=self.amount, window=self.window)


class ResponseCache(models.Model):
    """A team that keeps answers for the same request again; see `caching.py`."""

    team = models.OneToOneField(Team, on_delete=models.CASCADE, primary_key=True, related_name="response_cache")
    ttl_seconds = models.PositiveIntegerField()
    max_bytes = models.PositiveIntegerField()
    patterns = ArrayField(models.TextField(), default=list, db_default=[], blank=True)
    is_any_temperature = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ttl_seconds__gt=0, max_bytes__gt=0), name="a_cache_keeps_something_for_some_time"
            )
        ]

    def __str__(self) -> str:
        return f"answers of {self.team}"


class GuardRule(models.Model):
    """What becomes of what one guard finds in requests and in replies, for the organisation, a unit or a team."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="guard_rules")
    unit = models.ForeignKey(BusinessUnit, on_delete=models.CASCADE, null=True, blank=True, related_name="guard_rules")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, blank=True, related_name="guard_rules")
    guard = models.TextField()
    requests = models.TextField(default="", db_default="", blank=True)
    replies = models.TextField(default="", db_default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(requests__in=_GUARDING) & models.Q(replies__in=_GUARDING),
                name="a_guard_masks_or_blocks",
            ),
            models.CheckConstraint(
                condition=~models.Q(requests="", replies=""), name="a_guard_rule_asks_for_something"
            ),
            models.CheckConstraint(
                condition=models.Q(unit__isnull=True) | models.Q(team__isnull=True),
                name="a_guard_rule_is_of_one_unit_or_team",
            ),
            models.UniqueConstraint(
                fields=["organisation", "unit", "team", "guard"],
                nulls_distinct=False,
                name="a_level_has_one_rule_for_a_guard",
            ),
        ]

    def __str__(self) -> str:
        return self.guard
