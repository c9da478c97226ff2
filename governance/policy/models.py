"""Who may call what. A level without rules restricts nothing; one with rules allows only what one of them does."""

from django.db import models
from django.db.models.functions import Now

from governance.catalog.models import AccessGroup
from governance.keys.models import VirtualKey
from governance.teams.models import BusinessUnit, Organisation, Team


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
