"""What people type about more money: giving it for a while, asking for it, and deciding."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import QueryDict

from governance.budgets.increases import NewIncrease
from governance.budgets.models import Budget, IncreaseRequest
from governance.budgets.requests import NewRequest
from governance.console.forms.dollars import DollarsField
from governance.console.forms.keys import end_of_day
from governance.core.clock import utc_now
from governance.core.money import usd_text


class _UntilForm(forms.Form):
    """An amount until the end of a day in the budget's zone."""

    amount = DollarsField(label="How much more, in USD", help_text="On top of the limit.")
    until = forms.DateField(label="Until the end of", widget=forms.DateInput(attrs={"type": "date"}))
    reason = forms.CharField(max_length=500, help_text="Kept in the audit trail.")

    def __init__(self, *args: Any, budget: Budget) -> None:
        super().__init__(*args)
        self._budget = budget

    def clean_until(self) -> date | None:
        """A day that is over would give nothing."""
        day: date | None = self.cleaned_data["until"]
        if day is not None and day < utc_now().astimezone(ZoneInfo(self._budget.zone)).date():
            raise forms.ValidationError("This day has passed: choose today or a later day.")
        return day


class IncreaseForm(_UntilForm):
    """More money for a while; of a budget with members, for all of them."""

    def new_increase(self) -> NewIncrease:
        """Return what was asked for, from now."""
        return NewIncrease(
            budget_id=self._budget.pk,
            amount_nano=self.cleaned_data["amount"],
            starts_at=utc_now(),
            ends_at=end_of_day(self.cleaned_data["until"], self._budget.zone),
            reason=self.cleaned_data["reason"],
        )


class AskForm(_UntilForm):
    """A request for more money, for a while or for good."""

    def __init__(self, *args: Any, budget: Budget) -> None:
        super().__init__(*args, budget=budget)
        self.fields["until"].required = False
        self.fields["until"].help_text = "Without a day the limit is to be higher for good."
        self.fields["reason"].help_text = "What it is for. Whoever decides reads this."

    def new_request(self) -> NewRequest:
        """Return what was asked for."""
        day = self.cleaned_data["until"]
        return NewRequest(
            budget_id=self._budget.pk,
            amount_nano=self.cleaned_data["amount"],
            until=end_of_day(day, self._budget.zone) if day is not None else None,
            reason=self.cleaned_data["reason"],
        )


class DecisionForm(forms.Form):
    """Yes, perhaps to another amount, or no."""

    decision = forms.ChoiceField(choices=[("approve", "approve"), ("decline", "decline")])
    amount = DollarsField(label="Give, in USD", help_text="What was asked for, or another amount.")
    reason = forms.CharField(
        required=False, max_length=500, help_text="Who asked reads it. Needed to decline; kept in the audit trail."
    )

    def __init__(self, data: QueryDict | None, *, asked: IncreaseRequest) -> None:
        super().__init__(data, initial={"amount": usd_text(asked.amount_nano)})

    @property
    def is_approval(self) -> bool:
        """Whether the answer is yes."""
        return bool(self.cleaned_data["decision"] == "approve")
