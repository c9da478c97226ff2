"""What people type about accounts at vendors, validated with sentences."""

from typing import Any, cast

from django import forms

from governance.connections.operations import NewConnection, Owner
from governance.teams.models import BusinessUnit
from governance.viewing.installed import installed_providers
from governance.viewing.viewer import Viewer


class ConnectionForm(forms.Form):
    """A new account at a vendor. Its credential goes in and is never shown again."""

    name = forms.CharField(max_length=100)
    provider = forms.ChoiceField(label="Vendor")
    owner = forms.ChoiceField(
        required=False,
        label="Whose",
        help_text="An own account serves the keys of its team or unit only, before any shared one.",
    )
    is_charged = forms.ChoiceField(
        label="What is used through it",
        choices=[("yes", "is charged to the team as ever"), ("no", "is paid by its owner, and booked at no cost")],
        help_text="What is everybody's is always charged.",
    )
    credential = forms.CharField(
        required=False,
        max_length=16_384,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="The account's API key. It is sealed, and nobody sees it again.",
    )
    base_url = forms.CharField(
        required=False, max_length=2000, label="Base URL", help_text="Without one the vendor's own."
    )
    region = forms.CharField(
        required=False, max_length=100, help_text="Where the vendor handles requests, such as eu-central-1."
    )

    def __init__(self, *args: Any, viewer: Viewer) -> None:
        super().__init__(*args)
        self._viewer = viewer
        providers = [(name, provider.title) for name, provider in sorted(installed_providers().items())]
        cast("forms.ChoiceField", self.fields["provider"]).choices = providers
        units = BusinessUnit.objects.filter(organisation=viewer.organisation).order_by("name")
        cast("forms.ChoiceField", self.fields["owner"]).choices = [
            ("", "everybody's"),
            *[(f"team:{team.pk}", f"team {team.name}") for team in viewer.visible_teams()],
            *[(f"unit:{unit.pk}", f"unit {unit.name}") for unit in units],
        ]

    def clean(self) -> dict[str, Any]:
        """What is everybody's is charged."""
        found = super().clean() or {}
        if found.get("is_charged") == "no" and not found.get("owner"):
            raise forms.ValidationError("What is used through everybody's connection is charged: say whose it is.")
        return found

    def new_connection(self) -> NewConnection:
        """Return what was asked for."""
        found = self.cleaned_data
        kind, _, number = found["owner"].partition(":")
        is_charged = found["is_charged"] == "yes"
        owner = {
            "": None,
            "team": Owner(team_id=int(number or 0), is_charged=is_charged),
            "unit": Owner(unit_id=int(number or 0), is_charged=is_charged),
        }[kind]
        return NewConnection(
            organisation_id=self._viewer.organisation.pk,
            name=found["name"],
            provider=found["provider"],
            base_url=found["base_url"],
            credential=found["credential"],
            region=found["region"],
            owner=owner,
        )
