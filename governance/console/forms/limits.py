"""What people type about rate limits, validated with sentences."""

from typing import Any, cast

from django import forms

from governance.catalog.queries import groups_of
from governance.connections.queries import connections_of
from governance.console.forms.budgets import chosen_scope, scope_choices
from governance.console.forms.reason import ReasonForm
from governance.keys.models import VirtualKey
from governance.policy.limits import LARGEST_AMOUNT, NewRateLimit
from governance.policy.models import RateLimit
from governance.policy.rate_limit import Counts, LimitWindow
from governance.viewing.viewer import Viewer

_RATES = [
    ("requests:minute", "requests per minute"),
    ("requests:hour", "requests per hour"),
    ("requests:day", "requests per day"),
    ("tokens:minute", "tokens per minute"),
    ("tokens:hour", "tokens per hour"),
    ("tokens:day", "tokens per day"),
    ("concurrent:", "requests at the same time"),
]


class AmountField(forms.IntegerField):
    """A whole number of requests or tokens; thousands separators are understood."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "numeric"})
        super().__init__(min_value=1, max_value=LARGEST_AMOUNT, widget=widget, **options)

    def to_python(self, value: Any) -> int | None:
        """Return the number. A sentence says what is wrong."""
        number: int | None = super().to_python(value.replace(",", "") if isinstance(value, str) else value)
        return number


class AmountForm(ReasonForm):
    """Another amount for a limit that is there."""

    amount = AmountField(label="New amount", help_text="Takes effect at once, in the current window too.")
    field_order = ("amount", "reason")


class RateLimitForm(forms.Form):
    """A new rate limit."""

    name = forms.CharField(max_length=100, help_text="Refusals name it, so that people know whom to ask.")
    scope = forms.ChoiceField(label="For", help_text="Every call made there is counted.")
    amount = AmountField(help_text="For example 600.")
    rate = forms.ChoiceField(
        label="Of",
        choices=_RATES,
        help_text="Windows begin at the full minute, hour or day of UTC. Tokens are input and output together.",
    )
    model_pattern = forms.CharField(
        required=False,
        max_length=200,
        label="Only for models",
        help_text="A name or a pattern such as gpt-*. Without one it counts calls to all models.",
    )
    model_group = forms.ChoiceField(
        required=False, label="Only for models of the group", help_text="The limit follows when the group changes."
    )
    provider = forms.ChoiceField(required=False, label="Only at the provider")
    sharing = forms.ChoiceField(
        label="Shared",
        choices=[
            ("pooled", "by everybody: one amount for all"),
            ("per_member", "by nobody: the amount for each member"),
        ],
        help_text="A member is a person, or a key that belongs to no person.",
    )

    def __init__(self, *args: Any, viewer: Viewer, key: VirtualKey | None = None) -> None:
        super().__init__(*args)
        self._viewer = viewer
        organisation = viewer.organisation
        scope = cast("forms.ChoiceField", self.fields["scope"])
        scope.choices = scope_choices(viewer, key)
        self._choices("model_group", [(group.pk, group.name) for group in groups_of(organisation_id=organisation.pk)])
        offered = connections_of(organisation_id=organisation.pk).values_list("provider", flat=True)
        self._choices("provider", [(name, name) for name in sorted(set(offered))])
        if key is not None:
            scope.initial = f"key:{key.pk}"
            self.fields["name"].initial = f"Key {key.name}"

    def _choices(self, name: str, choices: list[tuple[Any, str]]) -> None:
        cast("forms.ChoiceField", self.fields[name]).choices = [("", "all"), *choices]

    def new_rate_limit(self) -> NewRateLimit:
        """Return what was asked for."""
        found = self.cleaned_data
        counts, _, window = found["rate"].partition(":")
        return NewRateLimit(
            organisation_id=self._viewer.organisation.pk,
            name=found["name"],
            counts=Counts(counts),
            amount=found["amount"],
            window=LimitWindow(window) if window else None,
            model_pattern=found["model_pattern"],
            model_group_id=int(found["model_group"]) if found["model_group"] else None,
            provider=found["provider"],
            is_per_member=found["sharing"] == RateLimit.Sharing.PER_MEMBER,
            **chosen_scope(found["scope"]),
        )
