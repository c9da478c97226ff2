"""What people type about budgets, validated with sentences."""

import calendar
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms

from governance.budgets.errors import BudgetRefused
from governance.budgets.models import Budget
from governance.budgets.operations import DEFAULT_THRESHOLDS, NewBudget
from governance.budgets.thresholds import NewThreshold, parse_threshold
from governance.catalog.queries import groups_of
from governance.connections.queries import connections_of
from governance.console.forms.dollars import DollarsField
from governance.console.forms.reason import ReasonForm
from governance.core.money import usd_text
from governance.core.windows import WindowKind
from governance.keys.models import VirtualKey
from governance.teams.models import BusinessUnit, Membership, Team, User
from governance.viewing.viewer import Viewer

_WINDOWS = [
    (WindowKind.MONTH.value, "each month"),
    (WindowKind.WEEK.value, "each week"),
    (WindowKind.DAY.value, "each day"),
    (WindowKind.HOUR.value, "each hour"),
    (WindowKind.MINUTE.value, "each minute"),
    (WindowKind.QUARTER.value, "each quarter"),
    (WindowKind.YEAR.value, "each year"),
    (WindowKind.TOTAL.value, "once: it never resets"),
]
_ORGANISATION = "organisation"


class ThresholdsField(forms.CharField):
    """Thresholds with commas between them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label="Tell at per cent of the limit",
            help_text="With commas between them. 80 looks at what is settled, 90 committed at what is held too.",
            **options,
        )

    def clean(self, value: Any) -> tuple[NewThreshold, ...]:
        """Return the thresholds. A sentence says what is wrong."""
        text: str = super().clean(value)
        try:
            return tuple(parse_threshold(part) for part in text.split(",") if part.strip())
        except BudgetRefused as error:
            raise forms.ValidationError(error.message) from error


class LimitForm(ReasonForm):
    """A new limit for a budget that is there, and when it tells."""

    limit = DollarsField(
        label="New limit in USD",
        help_text="Takes effect at once, in the current period too. What is spent stays spent.",
    )
    thresholds = ThresholdsField(required=False)
    field_order = ("limit", "thresholds", "reason")

    def wanted_thresholds(self) -> tuple[NewThreshold, ...] | None:
        """Return the thresholds, or None where nobody was asked for them: then they stay."""
        found: tuple[NewThreshold, ...] = self.cleaned_data["thresholds"]
        return found if "thresholds" in self.data else None


class BudgetForm(forms.Form):
    """A new budget."""

    name = forms.CharField(max_length=100, help_text="Refusals name it, so that people know whom to ask.")
    scope = forms.ChoiceField(label="For", help_text="Every call made there is paid from it.")
    limit = DollarsField(label="Limit in USD", help_text="For example 500 or 12.50.")
    window = forms.ChoiceField(label="Renewed", choices=_WINDOWS)
    zone = forms.ChoiceField(label="Time zone", help_text="A period begins at midnight here.")
    first_month = forms.TypedChoiceField(
        label="Year begins in",
        coerce=int,
        initial=1,
        choices=[(number, calendar.month_name[number]) for number in range(1, 13)],
        help_text="For quarters and years.",
    )
    enforcement = forms.ChoiceField(
        label="When it is used up",
        choices=[("hard", "refuse further calls"), ("soft", "let calls go on, and tell")],
    )
    model_pattern = forms.CharField(
        required=False,
        max_length=200,
        label="Only for models",
        help_text="A name or a pattern such as gpt-*. Without one it pays for all models.",
    )
    model_group = forms.ChoiceField(
        required=False, label="Only for models of the group", help_text="The budget follows when the group changes."
    )
    provider = forms.ChoiceField(required=False, label="Only at the provider")
    tag = forms.CharField(
        required=False,
        max_length=260,
        label="Only with the tag",
        help_text="For example feature=search, or feature=* for any value. Callers set tags themselves.",
    )
    sharing = forms.ChoiceField(
        label="Shared",
        choices=[("pooled", "by everybody: one limit for all"), ("per_member", "by nobody: the limit for each member")],
        help_text="A member is a person, or a key that belongs to no person.",
    )
    carry = forms.ChoiceField(
        label="What is left of a period",
        choices=[("lapse", "lapses"), ("carry", "is carried over into the next period")],
    )
    carry_cap = DollarsField(
        required=False, label="Carry over at most, in USD", help_text="Without an amount all that is left."
    )
    thresholds = ThresholdsField(initial=", ".join(str(threshold.percent) for threshold in DEFAULT_THRESHOLDS))

    def __init__(self, *args: Any, viewer: Viewer, key: VirtualKey | None = None, team: Team | None = None) -> None:
        super().__init__(*args)
        self._viewer = viewer
        zones = cast("forms.ChoiceField", self.fields["zone"])
        zones.choices = [(name, name) for name in sorted(available_timezones() - {"localtime"})]
        zones.initial = viewer.organisation.zone
        scope = cast("forms.ChoiceField", self.fields["scope"])
        scope.choices = scope_choices(viewer, key)
        groups = groups_of(organisation_id=viewer.organisation.pk)
        self._choices("model_group", [(group.pk, group.name) for group in groups])
        offered = connections_of(organisation_id=viewer.organisation.pk).values_list("provider", flat=True)
        self._choices("provider", [(name, name) for name in sorted(set(offered))])
        if key is not None:
            scope.initial = f"key:{key.pk}"
            self.fields["name"].initial = f"Key {key.name}"
        elif team is not None:
            scope.initial = f"team:{team.pk}"
            self.fields["name"].initial = f"Team {team.name}"

    def _choices(self, name: str, choices: list[tuple[Any, str]]) -> None:
        cast("forms.ChoiceField", self.fields[name]).choices = [("", "all"), *choices]

    def new_budget(self) -> NewBudget:
        """Return what was asked for."""
        found = self.cleaned_data
        return NewBudget(
            organisation_id=self._viewer.organisation.pk,
            name=found["name"],
            limit_nano=found["limit"],
            window=WindowKind(found["window"]),
            zone=found["zone"],
            first_month=found["first_month"],
            is_hard=found["enforcement"] == Budget.Enforcement.HARD,
            model_pattern=found["model_pattern"],
            model_group_id=int(found["model_group"]) if found["model_group"] else None,
            provider=found["provider"],
            tag=found["tag"],
            is_per_member=found["sharing"] == Budget.Sharing.PER_MEMBER,
            carries_over=found["carry"] == "carry",
            carry_cap_nano=found["carry_cap"],
            thresholds=found["thresholds"],
            **chosen_scope(found["scope"]),
        )


def limit_initial(budget: Budget) -> dict[str, str]:
    """Return limit and thresholds as people type them."""
    thresholds = ", ".join(str(threshold).replace(" %", "") for threshold in budget.thresholds.all())
    return {"limit": usd_text(budget.limit_nano), "thresholds": thresholds}


def chosen_scope(choice: str) -> dict[str, Any]:
    """Return the id that a choice of `scope_choices` stands for: {"team_id": 3}."""
    kind, _, number = choice.partition(":")
    return {} if kind == _ORGANISATION else {f"{kind}_id": int(number)}


def scope_choices(viewer: Viewer, key: VirtualKey | None) -> list[tuple[str, Any]]:
    """Return whose budget it can be. A key's budget is begun from the key, for there can be very many keys."""
    units = BusinessUnit.objects.filter(organisation=viewer.organisation).order_by("name")
    members = Membership.objects.filter(team__organisation=viewer.organisation).values("user")
    people = User.objects.filter(id__in=members).order_by("email")
    scopes: list[tuple[str, Any]] = [
        (_ORGANISATION, f"the whole organisation ({viewer.organisation.name})"),
        ("Teams", [(f"team:{team.pk}", f"team {team.name}") for team in viewer.visible_teams()]),
        ("Units", [(f"unit:{unit.pk}", f"unit {unit.name}") for unit in units]),
        ("People", [(f"user:{person.pk}", person.email) for person in people]),
    ]
    if key is not None:
        scopes.append(("Keys", [(f"key:{key.pk}", f"key {key.name} ({key.team.name})")]))
    return scopes
