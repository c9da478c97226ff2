"""What people type about people, validated with sentences."""

from typing import Any, cast

from django import forms
from django.forms import BoundField

from governance.identity.invitations import Wish
from governance.teams.models import BusinessUnit, Membership, OrganisationRole, Team, UnitOwner, User
from governance.teams.people import Part, Role
from governance.viewing.viewer import Viewer

_ROLES = [
    ("admin", "Administrator: changes everything"),
    ("finance", "Finance: sees all spend, sets budgets"),
    ("auditor", "Auditor: sees everything, changes nothing"),
]
_PARTS = [("", "not in it"), ("developer", "developer"), ("owner", "owner")]


class RightsForm(forms.Form):
    """Roles in the organisation, and a part in each team."""

    roles = forms.MultipleChoiceField(
        required=False,
        choices=_ROLES,
        widget=forms.CheckboxSelectMultiple,
        label="Roles in the whole organisation",
        help_text="Somebody who only works in teams needs none.",
    )

    def __init__(self, *args: Any, viewer: Viewer, person: User | None = None) -> None:
        super().__init__(*args)
        self._teams: list[Team] = list(viewer.visible_teams().order_by("name"))
        parts = _parts_of(person)
        if person is not None:
            held = OrganisationRole.objects.filter(user=person, organisation=viewer.organisation)
            self.fields["roles"].initial = list(held.values_list("role", flat=True))
        for team in self._teams:
            self.fields[f"team_{team.pk}"] = forms.ChoiceField(
                required=False, choices=_PARTS, label=team.name, initial=parts.get(team.pk, "")
            )

    @property
    def team_fields(self) -> list[BoundField]:
        """One field for each team."""
        return [self[f"team_{team.pk}"] for team in self._teams]

    @property
    def chosen_roles(self) -> frozenset[Role]:
        """The roles that were ticked."""
        return frozenset(Role(role) for role in self.cleaned_data["roles"])

    @property
    def chosen_parts(self) -> dict[int, Part]:
        """The teams to be in, with the part in them."""
        chosen = {team.pk: self.cleaned_data[f"team_{team.pk}"] for team in self._teams}
        return {team_id: Part(part) for team_id, part in chosen.items() if part}


class PersonForm(RightsForm):
    """The same of somebody who is there, whole units included."""

    field_order = ("roles", "units")

    units = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Owner of whole units",
        help_text="An owner of each team in them, those to come included.",
    )

    def __init__(self, *args: Any, viewer: Viewer, person: User) -> None:
        super().__init__(*args, viewer=viewer, person=person)
        units = BusinessUnit.objects.filter(organisation=viewer.organisation).order_by("name")
        cast("forms.MultipleChoiceField", self.fields["units"]).choices = [(str(unit.pk), unit.name) for unit in units]
        owned = UnitOwner.objects.filter(user=person).values_list("unit_id", flat=True)
        self.fields["units"].initial = [str(unit_id) for unit_id in owned]

    @property
    def chosen_units(self) -> frozenset[int]:
        """The units that were ticked."""
        return frozenset(int(unit_id) for unit_id in self.cleaned_data["units"])


class InviteForm(RightsForm):
    """Whom to invite, and what they may do."""

    email = forms.CharField(
        max_length=254,
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="The letter goes there, and it is what they log in with.",
    )

    def __init__(self, *args: Any, viewer: Viewer) -> None:
        super().__init__(*args, viewer=viewer)
        self._organisation_id = viewer.organisation.pk

    def wish(self) -> Wish:
        """Return what was asked for."""
        return Wish(
            organisation_id=self._organisation_id,
            email=self.cleaned_data["email"],
            roles=self.chosen_roles,
            parts=self.chosen_parts,
        )


class AcceptForm(forms.Form):
    """The password of somebody new, twice."""

    password = forms.CharField(
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters, and none that everybody uses.",
    )
    again = forms.CharField(
        max_length=1024, label="The same again", widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def clean(self) -> dict[str, Any]:
        """Both are the same."""
        found = super().clean() or {}
        if found.get("password") and found.get("again") and found["password"] != found["again"]:
            self.add_error("again", "This is not the same password: type it once more.")
        return found


class SignInRulesForm(forms.Form):
    """What is asked of everybody."""

    is_second_factor_required = forms.BooleanField(
        required=False,
        label="Everybody needs a second factor",
        help_text="Whoever has none adds an authenticator app or a passkey before they see any page.",
    )
    are_personal_keys_kept = forms.BooleanField(
        required=False,
        label="Keys of somebody who is deactivated go on working",
        help_text="Unless this is ticked, their own keys are revoked with them. Keys of a team are never touched.",
    )


def _parts_of(person: User | None) -> dict[int, str]:
    if person is None:
        return {}
    return dict(Membership.objects.filter(user=person).values_list("team_id", "part"))
