"""What people type about keys, validated with sentences."""

from datetime import date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import Q, QuerySet

from governance.core.clock import utc_now
from governance.keys.models import VirtualKey
from governance.keys.operations import NewKey
from governance.teams.models import Team
from governance.viewing.viewer import Viewer

_MOST_CHOSEN = 500


class RotateForm(forms.Form):
    """How long the former text of a key keeps working."""

    grace_hours = forms.TypedChoiceField(
        label="The current key keeps working for",
        coerce=int,
        initial=24,
        choices=[(0, "no time: it stops now"), (1, "1 hour"), (24, "1 day"), (168, "7 days"), (720, "30 days")],
        help_text="Both keys work until then, so that applications can change over one by one.",
    )


class KeyFilterForm(forms.Form):
    """Narrows the list of keys."""

    q = forms.CharField(required=False, max_length=200, label="Name or beginning")
    team = forms.ModelChoiceField(queryset=Team.objects.none(), required=False, empty_label="All teams")
    state = forms.ChoiceField(
        required=False, choices=[("", "All"), ("working", "Working"), ("ended", "Expired or revoked")]
    )

    def __init__(self, data: Any, *, viewer: Viewer) -> None:
        super().__init__(data)
        self._viewer = viewer
        cast("forms.ModelChoiceField[Team]", self.fields["team"]).queryset = viewer.visible_teams()
        self.fields["q"].widget.attrs |= {"data-search": "", "placeholder": "a part of it, or bsr_…"}

    def keys(self) -> QuerySet[VirtualKey]:
        """Return what matches; a field that does not make sense is left out (the form shows why)."""
        self.is_valid()
        found, keys, now = self.cleaned_data, self._viewer.visible_keys(), utc_now()
        if text := found.get("q", "").strip():
            begins = Q(secrets__public_id__startswith=text.removeprefix("bsr_").partition("_")[0])
            keys = keys.filter(
                pk__in=VirtualKey.objects.filter(begins if text.startswith("bsr_") else Q(name__icontains=text))
            )
        if found.get("team"):
            keys = keys.filter(team=found["team"])
        ended = Q(revoked_at__lte=now) | Q(expires_at__lte=now)
        working = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
        return keys.filter({"working": working, "ended": ended}.get(found.get("state", ""), Q()))


class ChosenKeysForm(forms.Form):
    """The keys that were ticked in the list: working ones that the viewer may change."""

    key = forms.ModelMultipleChoiceField(queryset=VirtualKey.objects.none())

    def __init__(self, data: Any, *, viewer: Viewer) -> None:
        super().__init__(data)
        self._viewer = viewer
        working = viewer.visible_keys().filter(revoked_at=None)
        cast("forms.ModelMultipleChoiceField[VirtualKey]", self.fields["key"]).queryset = working

    def clean_key(self) -> QuerySet[VirtualKey]:
        """Refuse all of them where one is not theirs to change."""
        chosen: QuerySet[VirtualKey] = self.cleaned_data["key"]
        if chosen.count() > _MOST_CHOSEN or not all(map(self._viewer.may_change_key, chosen)):
            raise forms.ValidationError("These keys cannot be revoked together.")
        return chosen


class KeyForm(forms.Form):
    """A new key."""

    name = forms.CharField(max_length=100, help_text="What it is for, such as search-production.")
    team = forms.ModelChoiceField(queryset=Team.objects.none(), empty_label=None)
    holder = forms.ChoiceField(
        label="Belongs to",
        choices=[("team", "the team as a whole"), ("me", "me")],
        help_text="Requests with a key of your own count as yours.",
    )
    expires_on = forms.DateField(
        required=False,
        label="Expires at the end of",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Without a day it works until it is revoked.",
    )
    default_max_output_tokens = forms.IntegerField(
        required=False,
        min_value=1,
        label="Most output tokens of a request that names no maximum",
        help_text="Written into such requests. A low number keeps less money held while they run.",
    )

    def __init__(self, *args: Any, viewer: Viewer, team: Team | None = None) -> None:
        super().__init__(*args)
        self._viewer = viewer
        self.fields["team"].initial = team
        teams = viewer.teams_to_issue_in()
        cast("forms.ModelChoiceField[Team]", self.fields["team"]).queryset = Team.objects.filter(
            id__in=[team.pk for team in teams]
        )
        if not any(viewer.may_issue_for(team) for team in teams):
            cast("forms.ChoiceField", self.fields["holder"]).choices = [("me", "me")]

    def clean_expires_on(self) -> date | None:
        """A day before today would make a key that never works."""
        day: date | None = self.cleaned_data["expires_on"]
        if day is not None and day < utc_now().astimezone(ZoneInfo(self._viewer.organisation.zone)).date():
            raise forms.ValidationError("This day has passed: choose today or a later day.")
        return day

    def clean(self) -> dict[str, Any]:
        """Somebody who does not manage the team issues keys for themselves alone."""
        team, holder = self.cleaned_data.get("team"), self.cleaned_data.get("holder")
        if team is not None and holder == "team" and not self._viewer.may_issue_for(team):
            self.add_error("holder", f"Only an owner of {team.name} can issue a key of the team: make it your own.")
        return self.cleaned_data

    def new_key(self) -> NewKey:
        """Return what was asked for."""
        found = self.cleaned_data
        expires_on = found["expires_on"]
        return NewKey(
            team_id=found["team"].pk,
            name=found["name"],
            user_id=self._viewer.user.pk if found["holder"] == "me" else None,
            default_max_output_tokens=found["default_max_output_tokens"],
            expires_at=end_of_day(expires_on, self._viewer.organisation.zone) if expires_on is not None else None,
        )


def end_of_day(day: date, zone: str) -> datetime:
    """Return the instant at which this local day is over."""
    return datetime.combine(day + timedelta(days=1), time(0), tzinfo=ZoneInfo(zone))
