"""What people type about what a team's requests may do and what is kept of them, validated with sentences."""

from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings

from governance.policy.cache_rules import set_cache
from governance.policy.caching import CachePolicy
from governance.policy.guard_rules import Guarding, set_guard
from governance.policy.guards import GuardAction
from governance.policy.models import ResponseCache
from governance.policy.operations import Level
from governance.prompts.models import PromptStorage
from governance.prompts.operations import StoringWish, turn_off, turn_on
from governance.teams.changes import TeamWish, change_team
from governance.teams.models import Team
from governance.teams.operations import keep_in_regions
from governance.viewing.installed import installed_guards
from governance.viewing.viewer import Viewer

_MEBIBYTE = 1024 * 1024
_ACTIONS = [("", "does not look"), ("mask", "masks"), ("block", "blocks")]


class TeamForm(forms.Form):
    """A change of one team. `apply` makes it, and raises BursarError."""

    title: ClassVar[str]
    lead: ClassVar[str]

    def __init__(self, data: Any, *, team: Team, viewer: Viewer) -> None:
        super().__init__(data, initial=self.present(team))
        self._team = team
        self._viewer = viewer

    def present(self, team: Team) -> dict[str, Any]:
        """Return what stands now."""
        raise NotImplementedError

    def apply(self) -> None:
        """Make the change."""
        raise NotImplementedError


class TeamFields(forms.Form):
    """What a team is called and where it belongs."""

    name = forms.CharField(max_length=200)
    unit = forms.CharField(
        max_length=200,
        label="Business unit",
        widget=forms.TextInput(attrs={"list": "units"}),
        help_text="Made when it is new.",
    )
    cost_centre = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs={"list": "cost-centres"}),
        help_text="Where finance books its spend: a code, made when it is new.",
    )
    required_tags = forms.CharField(
        required=False, max_length=2000, help_text="Every request must carry these, such as feature, customer."
    )

    def team_wish(self) -> TeamWish:
        """Return what was asked for."""
        found = self.cleaned_data
        return TeamWish(
            name=found["name"],
            unit=found["unit"],
            cost_centre=found["cost_centre"],
            required_tags=tuple(found["required_tags"].replace(",", " ").split()),
        )


class ChangeForm(TeamForm, TeamFields):
    """What a team is called and where it belongs, from now on."""

    title = "Name and place"
    lead = "What is spent stays where it was booked. From now on its unit's budgets pay, and its cost centre is billed."

    reason = forms.CharField(required=False, max_length=500, help_text="Kept in the audit trail.")

    def present(self, team: Team) -> dict[str, Any]:
        """See TeamForm."""
        return {
            "name": team.name,
            "unit": team.unit.name,
            "cost_centre": team.cost_centre.code,
            "required_tags": ", ".join(team.required_tags),
        }

    def apply(self) -> None:
        """See TeamForm."""
        change_team(
            actor=self._viewer.actor,
            team_id=self._team.pk,
            wish=self.team_wish(),
            reason=self.cleaned_data["reason"],
        )


class UnitForm(forms.Form):
    """What a business unit is called."""

    name = forms.CharField(max_length=200)


class MemberForm(forms.Form):
    """Somebody's part in a team."""

    email = forms.EmailField(label="E-mail address", help_text="Of somebody who can log in already.")
    part = forms.ChoiceField(
        choices=[("developer", "developer: own keys and requests"), ("owner", "owner: all keys, and who is in it")]
    )


class PartForm(forms.Form):
    """Another part, or none."""

    part = forms.ChoiceField(
        choices=[
            ("developer", "developer: own keys and requests"),
            ("owner", "owner: all keys, and who is in it"),
            ("none", "none: no part in it any more"),
        ]
    )


class RegionsForm(TeamForm):
    """Where a team's requests may be handled."""

    title = "Regions"
    lead = "Requests are handled in these regions only. Those of the unit and of the organisation hold as well."

    regions = forms.CharField(
        required=False, max_length=500, help_text="Such as eu, or eu-central-1, us. Without any: anywhere."
    )

    def present(self, team: Team) -> dict[str, Any]:
        """See TeamForm."""
        return {"regions": ", ".join(team.regions)}

    def apply(self) -> None:
        """See TeamForm."""
        keep_in_regions(
            actor=self._viewer.actor,
            organisation_id=self._team.organisation_id,
            team_id=self._team.pk,
            regions=self.cleaned_data["regions"].replace(",", " ").split(),
        )


class GuardForm(TeamForm):
    """What a guard does with what it finds."""

    title = "Guards"
    lead = "A guard looks at what requests and whole replies say. Where it looks at replies, they are not streamed."

    guard = forms.ChoiceField()
    requests = forms.ChoiceField(required=False, choices=_ACTIONS, label="In requests it")
    replies = forms.ChoiceField(required=False, choices=_ACTIONS, label="In replies it")

    def __init__(self, data: Any, *, team: Team, viewer: Viewer) -> None:
        super().__init__(data, team=team, viewer=viewer)
        offered = [(name, f"{name}: {guard.title}") for name, guard in sorted(installed_guards().items())]
        cast("forms.ChoiceField", self.fields["guard"]).choices = offered

    def present(self, team: Team) -> dict[str, Any]:
        """See TeamForm."""
        return {}

    def apply(self) -> None:
        """See TeamForm."""
        found = self.cleaned_data
        set_guard(
            actor=self._viewer.actor,
            level=Level(organisation_id=self._team.organisation_id, team_id=self._team.pk),
            guard=found["guard"],
            guarding=Guarding(requests=_action(found["requests"]), replies=_action(found["replies"])),
            offered=installed_guards(),
        )


class CacheForm(TeamForm):
    """Whether answers are kept for the same request again."""

    title = "Answers that are kept"
    lead = "The same request again is answered from the gateway's memory, at no cost. Without it, nothing is kept."

    is_on = forms.BooleanField(required=False, label="Keep answers")
    minutes = forms.IntegerField(min_value=1, help_text="How long an answer is kept.")
    mebibytes = forms.IntegerField(min_value=1, label="MiB", help_text="How much is kept in each gateway process.")
    patterns = forms.CharField(
        required=False,
        max_length=2000,
        label="Only for models",
        help_text="Names or patterns such as gpt-*.",
    )
    is_any_temperature = forms.BooleanField(required=False, label="Also where a request does not ask for temperature 0")

    def present(self, team: Team) -> dict[str, Any]:
        """See TeamForm."""
        rule = ResponseCache.objects.filter(team=team).first()
        if rule is None:
            return {"is_on": False, "minutes": 60, "mebibytes": 16}
        return {
            "is_on": True,
            "minutes": max(1, rule.ttl_seconds // 60),
            "mebibytes": max(1, rule.max_bytes // _MEBIBYTE),
            "patterns": " ".join(rule.patterns),
            "is_any_temperature": rule.is_any_temperature,
        }

    def apply(self) -> None:
        """See TeamForm."""
        found = self.cleaned_data
        wish = CachePolicy(
            ttl_seconds=found["minutes"] * 60,
            max_bytes=found["mebibytes"] * _MEBIBYTE,
            patterns=tuple(found["patterns"].replace(",", " ").split()),
            is_any_temperature=found["is_any_temperature"],
        )
        set_cache(actor=self._viewer.actor, team_id=self._team.pk, wish=wish if found["is_on"] else None)


class PromptsForm(TeamForm):
    """Whether requests and replies are stored."""

    title = "Stored prompts"
    lead = "Requests and replies are stored sealed, for some days. To turn it off erases what is stored, for good."

    is_on = forms.BooleanField(required=False, label="Store requests and replies")
    days = forms.IntegerField(min_value=1, help_text="How long they are stored.")
    kibibytes = forms.IntegerField(min_value=1, label="KiB", help_text="Of a request, and of its reply.")
    reason = forms.CharField(required=False, max_length=500, help_text="Kept in the audit trail.")

    def present(self, team: Team) -> dict[str, Any]:
        """See TeamForm."""
        storage = PromptStorage.objects.filter(team=team).first()
        if storage is None:
            return {"is_on": False, "days": 30, "kibibytes": 256}
        return {"is_on": True, "days": storage.days, "kibibytes": storage.max_bytes // 1024}

    def apply(self) -> None:
        """See TeamForm."""
        found = self.cleaned_data
        if not found["is_on"]:
            turn_off(actor=self._viewer.actor, team_id=self._team.pk, reason=found["reason"])
            return
        turn_on(
            actor=self._viewer.actor,
            team_id=self._team.pk,
            wish=StoringWish(days=found["days"], max_bytes=found["kibibytes"] * 1024),
            sealing_keys=settings.ENVIRONMENT.sealing_keys,
        )


FORMS: dict[str, type[TeamForm]] = {
    "change": ChangeForm,
    "regions": RegionsForm,
    "guard": GuardForm,
    "cache": CacheForm,
    "prompts": PromptsForm,
}


def _action(word: str) -> GuardAction | None:
    return GuardAction(word) if word else None
