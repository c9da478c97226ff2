"""What people type about tokens of the management API, validated with sentences."""

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms

from governance.tokens.errors import TokenRefused
from governance.tokens.operations import NewToken
from governance.tokens.scopes import SCOPES, clean_scopes
from governance.viewing.viewer import Viewer

_MINE = "me"


class TokenForm(forms.Form):
    """A new token: one's own, or as an administrator a service's."""

    name = forms.CharField(max_length=100, help_text="What it is for, such as deploy-pipeline.")
    holder = forms.ChoiceField(
        label="Acts as",
        choices=[(_MINE, "me"), ("service", "a service of the organisation")],
        help_text="As you it may at most what you may, and no longer. A service outlives whoever made it.",
    )
    scopes = forms.CharField(
        label="Is for",
        max_length=500,
        initial="all:read",
        help_text=f"With blanks between them: {', '.join(SCOPES)}.",
    )
    days = forms.TypedChoiceField(
        label="Ends after",
        coerce=int,
        initial=90,
        choices=[(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "a year"), (0, "never by itself")],
    )

    def __init__(self, *args: Any, viewer: Viewer) -> None:
        super().__init__(*args)
        self._viewer = viewer
        if not viewer.may_administer:
            cast("forms.ChoiceField", self.fields["holder"]).choices = [(_MINE, "me")]

    def clean_scopes(self) -> list[str]:
        """A scope that does not exist is named."""
        try:
            return clean_scopes(self.cleaned_data["scopes"].replace(",", " ").split())
        except TokenRefused as error:
            raise forms.ValidationError(error.message) from error

    def new_token(self, *, at: datetime) -> NewToken:
        """Return what was asked for."""
        found = self.cleaned_data
        return NewToken(
            organisation_id=self._viewer.organisation.pk,
            name=found["name"],
            scopes=found["scopes"],
            user_id=self._viewer.user.pk if found["holder"] == _MINE else None,
            expires_at=at + timedelta(days=found["days"]) if found["days"] else None,
        )
