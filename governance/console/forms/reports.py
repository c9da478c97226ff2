"""Which days a report is about."""

from datetime import date, timedelta
from typing import Any

from django import forms

from governance.console.pages.reports import MOST_DAYS, Days
from governance.core.months import month_before

_EARLIEST = date(2000, 1, 1)
_LATEST = date(2200, 1, 1)


class ReportForm(forms.Form):
    """Days in the organisation's zone, both included. Asked by GET: what is not there is this month."""

    since = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        """The days follow each other, and are not too many."""
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since is None or until is None:
            return self.cleaned_data
        if since > until:
            self.add_error("until", "This is before the first day: choose a later one.")
        elif since < _EARLIEST or until > _LATEST:
            self.add_error("since", "Nothing was called then: choose days of this century.")
        elif (until - since).days >= MOST_DAYS:
            self.add_error("until", f"These are more than {MOST_DAYS} days: choose fewer.")
        return self.cleaned_data

    def days(self) -> Days:
        """Return what was chosen."""
        return Days(first=self.cleaned_data["since"], last=self.cleaned_data["until"])


def this_month(today: date) -> Days:
    """Return the month that is running, up to today."""
    return Days(first=today.replace(day=1), last=today)


def usual_days(today: date) -> list[tuple[str, Days]]:
    """Return what people mostly ask for, in words."""
    before = month_before(today.replace(day=1))
    return [
        ("This month", this_month(today)),
        ("Last month", Days(first=before, last=today.replace(day=1) - timedelta(days=1))),
        ("Last 90 days", Days(first=today - timedelta(days=89), last=today)),
        ("Last 365 days", Days(first=today - timedelta(days=364), last=today)),
    ]
