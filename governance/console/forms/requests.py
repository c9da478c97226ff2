"""What narrows the list of requests."""

from datetime import date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms

from governance.console.forms.dollars import DollarsField
from governance.console.pages.requests import models_in_use
from governance.console.viewer import Viewer
from governance.keys.models import VirtualKey
from governance.ledger.records import RecordFilter
from governance.teams.models import Team


class RequestFilterForm(forms.Form):
    """Narrows the list of requests. Dates are days in the organisation's zone, both included."""

    team = forms.ModelChoiceField(queryset=Team.objects.none(), required=False, empty_label="All teams")
    key = forms.ModelChoiceField(queryset=VirtualKey.objects.none(), required=False, empty_label="All keys")
    model = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)
    outcome = forms.ChoiceField(
        required=False, choices=[("", "All outcomes"), ("ok", "Succeeded"), ("failed", "Failed")]
    )
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, viewer: Viewer) -> None:
        super().__init__(*args)
        self._viewer = viewer
        cast("forms.ModelChoiceField[Team]", self.fields["team"]).queryset = viewer.visible_teams()
        cast("forms.ModelChoiceField[VirtualKey]", self.fields["key"]).queryset = viewer.visible_keys()
        models = [(model.pk, str(model)) for model in models_in_use(viewer=viewer)]
        cast("forms.ChoiceField", self.fields["model"]).choices = [("", "All models"), *models]
        self.fields["team"].widget.attrs["data-search"] = ""

    def wanted(self) -> RecordFilter:
        """Return the filter; a field that does not make sense is left out (the form shows why)."""
        self.is_valid()
        found = self.cleaned_data
        return RecordFilter(
            reach=self._viewer.reach,
            team_id=found["team"].pk if found.get("team") else None,
            key_id=found["key"].pk if found.get("key") else None,
            model_id=found.get("model"),
            has_failed={"ok": False, "failed": True}.get(found.get("outcome", "")),
            since=self._midnight(found.get("since"), 0),
            until=self._midnight(found.get("until"), 1),
        )

    def _midnight(self, day: date | None, later: int) -> datetime | None:
        if day is None:
            return None
        zone = ZoneInfo(self._viewer.organisation.zone)
        return datetime.combine(day + timedelta(days=later), time(0), tzinfo=zone)


class SettleForm(forms.Form):
    """What a request of unknown outcome cost, as somebody found out at the vendor."""

    cost = DollarsField(label="The vendor charged, in USD", help_text="0 if the vendor's report does not list it.")
    reason = forms.CharField(max_length=500, help_text="How you know. Kept in the audit trail.")
