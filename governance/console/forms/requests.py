"""What narrows the list of requests."""

from datetime import date, datetime, time, timedelta
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import Q

from governance.console.forms.dollars import DollarsField
from governance.console.pages.requests import models_in_use
from governance.keys.models import VirtualKey
from governance.ledger.records import RecordFilter
from governance.teams.models import Team
from governance.viewing.viewer import Viewer

_MOST_OFFERED = 200
_LONGEST_ID = 19


class RequestFilterForm(forms.Form):
    """Narrows the list of requests. Dates are days in the organisation's zone, both included."""

    q = forms.CharField(
        required=False, max_length=100, label="Id", widget=forms.TextInput(attrs={"spellcheck": "false"})
    )
    team = forms.ModelChoiceField(queryset=Team.objects.none(), required=False, empty_label="All teams")
    key = forms.CharField(required=False, max_length=200)
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
        self.fields["q"].widget.attrs["placeholder"] = "x-request-id"
        self.fields["key"].widget = _key_widget(viewer)
        models = [(model.pk, str(model)) for model in models_in_use(viewer=viewer)]
        cast("forms.ChoiceField", self.fields["model"]).choices = [("", "All models"), *models]
        self.fields["team"].widget.attrs["data-search"] = ""

    def clean_q(self) -> UUID | None:
        """Return the id of a request or an attempt."""
        text: str = self.cleaned_data["q"].strip()
        try:
            return UUID(text) if text else None
        except ValueError as error:
            raise forms.ValidationError("This is no id: paste the one that x-request-id said.") from error

    def clean_key(self) -> VirtualKey | None:
        """Return the key that is meant by its id, its beginning or its name, if the viewer sees it."""
        text: str = self.cleaned_data["key"].strip()
        if not text:
            return None
        named = Q(name=text)
        if text.isascii() and text.isdigit() and len(text) < _LONGEST_ID:
            named |= Q(pk=int(text))
        if text.startswith("bsr_"):
            named |= Q(secrets__public_id=text.removeprefix("bsr_").partition("_")[0])
        found = self._viewer.visible_keys().filter(named).first()
        if found is None:
            raise forms.ValidationError("There is no such key: write its name, its id, or its beginning.")
        return found

    def wanted(self) -> RecordFilter:
        """Return the filter; a field that does not make sense is left out (the form shows why)."""
        self.is_valid()
        found = self.cleaned_data
        return RecordFilter(
            reach=self._viewer.reach,
            id=found.get("q"),
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


def _key_widget(viewer: Viewer) -> forms.Widget:
    """Offer the keys, unless there are so many that nobody would look through them."""
    keys = list(viewer.visible_keys().order_by("name").values_list("pk", "name", "team__name")[: _MOST_OFFERED + 1])
    if len(keys) > _MOST_OFFERED:
        return forms.TextInput(attrs={"placeholder": "name, id or bsr_…"})
    return forms.Select(choices=[("", "All keys"), *((pk, f"{name} ({team})") for pk, name, team in keys)])


class SettleForm(forms.Form):
    """What a request of unknown outcome cost, as somebody found out at the vendor."""

    cost = DollarsField(label="The vendor charged, in USD", help_text="0 if the vendor's report does not list it.")
    reason = forms.CharField(max_length=500, help_text="How you know. Kept in the audit trail.")
