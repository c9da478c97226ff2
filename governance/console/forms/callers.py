"""Whom somebody asks about: a team, and perhaps one of its keys."""

from typing import Any, cast

from django import forms

from governance.core.errors import BursarError
from governance.keys.models import VirtualKey
from governance.keys.queries import key_named
from governance.teams.models import Team
from governance.viewing.viewer import Viewer


class CallerForm(forms.Form):
    """A team, and perhaps a key of it. Asked by GET: what is not there yet shows the form without complaint."""

    team = forms.ModelChoiceField(queryset=Team.objects.none(), empty_label=None)
    key = forms.CharField(
        required=False, max_length=200, help_text="Its id or its beginning, bsr_…; without one: any key of the team."
    )

    def __init__(self, data: Any, *, viewer: Viewer) -> None:
        super().__init__(data)
        self._viewer = viewer
        cast("forms.ModelChoiceField[Team]", self.fields["team"]).queryset = viewer.visible_teams()

    def clean_key(self) -> VirtualKey | None:
        """Return the key that is meant, if the viewer sees it."""
        text: str = self.cleaned_data["key"].strip()
        if not text:
            return None
        try:
            meant = key_named(text=text)
        except BursarError as error:
            raise forms.ValidationError(error.message) from error
        found = self._viewer.visible_keys().filter(pk=meant.pk).first()
        if found is None:
            raise forms.ValidationError("There is no such key in your organisation.")
        return found

    def clean(self) -> dict[str, Any]:
        """A key has one team."""
        team, key = self.cleaned_data.get("team"), self.cleaned_data.get("key")
        if team is not None and key is not None and key.team_id != team.pk:
            self.add_error("key", f"This key is one of the team {key.team}: choose that team.")
        return self.cleaned_data
