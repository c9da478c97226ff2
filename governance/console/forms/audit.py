"""What narrows the audit trail."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from governance.audit.queries import EventFilter
from governance.teams.queries import is_only_organisation
from governance.viewing.viewer import Viewer


class TrailForm(forms.Form):
    """Narrows the trail. Dates are days in the organisation's zone, both included."""

    actor = forms.CharField(required=False, max_length=300, label="Who")
    action = forms.CharField(required=False, max_length=100, label="What")
    subject = forms.CharField(required=False, max_length=100, label="To what")
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Any, *, viewer: Viewer) -> None:
        super().__init__(data)
        self._viewer = viewer
        hints = {"actor": "an address, or task:…", "action": "key, or key.issued", "subject": "such as budget:12"}
        for name, hint in hints.items():
            self.fields[name].widget.attrs["placeholder"] = hint
        self.fields["actor"].widget.attrs["data-search"] = ""

    def wanted(self) -> EventFilter:
        """Return the filter; a field that does not make sense is left out (the form shows why)."""
        self.is_valid()
        found, organisation = self.cleaned_data, self._viewer.organisation
        return EventFilter(
            # What commands and tasks do concerns the installation: it is everybody's where there is one organisation.
            organisation_id=None if is_only_organisation(organisation_id=organisation.pk) else organisation.pk,
            actor=found.get("actor", "").strip(),
            action=found.get("action", "").strip(),
            subject=found.get("subject", "").strip(),
            since=self._midnight(found.get("since"), 0),
            until=self._midnight(found.get("until"), 1),
        )

    def _midnight(self, day: date | None, later: int) -> datetime | None:
        if day is None:
            return None
        return datetime.combine(day + timedelta(days=later), time(0), tzinfo=ZoneInfo(self._viewer.organisation.zone))
