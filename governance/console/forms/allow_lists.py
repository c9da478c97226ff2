"""What people type about allow-lists and access groups, validated with sentences."""

from typing import Any, cast

from django import forms

from governance.catalog.models import AccessGroup
from governance.catalog.names import MAX_ALIAS_CHARACTERS
from governance.catalog.queries import groups_of
from governance.console.forms.budgets import chosen_scope, scope_choices
from governance.console.forms.callers import CallerForm
from governance.keys.models import VirtualKey
from governance.policy.operations import Level
from governance.viewing.viewer import Viewer

_PATTERN_HELP = "A model's alias, or a pattern: * stands for any characters, ? for one; letters' case counts."


class TryForm(CallerForm):
    """May this team, or this key, call that alias?"""

    alias = forms.CharField(max_length=MAX_ALIAS_CHARACTERS, label="May they call", help_text="A model's alias.")
    field_order = ("alias", "team", "key")


class RuleForm(forms.Form):
    """One more line of an allow-list: a pattern or a group."""

    scope = forms.ChoiceField(
        label="On the list of", help_text="The first rule on a list makes it restrict; every level must allow a call."
    )
    pattern = forms.CharField(required=False, max_length=MAX_ALIAS_CHARACTERS, help_text=_PATTERN_HELP)
    group = forms.ModelChoiceField(
        queryset=AccessGroup.objects.none(),
        required=False,
        empty_label="no group",
        label="Or an access group",
        help_text="The list follows when the group changes.",
    )

    def __init__(self, data: Any, *, viewer: Viewer, key: VirtualKey | None = None) -> None:
        super().__init__(data, initial={"scope": f"key:{key.pk}"} if key is not None else None)
        self._viewer = viewer
        scopes = [choice for choice in scope_choices(viewer, key) if choice[0] != "People"]
        cast("forms.ChoiceField", self.fields["scope"]).choices = scopes
        groups = groups_of(organisation_id=viewer.organisation.pk)
        cast("forms.ModelChoiceField[AccessGroup]", self.fields["group"]).queryset = groups

    def clean(self) -> dict[str, Any]:
        """A rule is one of the two."""
        if bool(self.cleaned_data.get("pattern")) == (self.cleaned_data.get("group") is not None):
            self.add_error("pattern", "Give a pattern or choose a group: a rule is one of the two.")
        return self.cleaned_data

    def level(self) -> Level:
        """Return whose list it is for."""
        scope = chosen_scope(self.cleaned_data["scope"])
        return Level(organisation_id=self._viewer.organisation.pk, **scope)


class PatternsForm(forms.Form):
    """What an access group holds."""

    patterns = forms.CharField(
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=f"One on each line. {_PATTERN_HELP}",
    )

    def wanted(self) -> list[str]:
        """Return the patterns."""
        return str(self.cleaned_data["patterns"]).replace(",", " ").split()


class GroupForm(PatternsForm):
    """A new access group."""

    name = forms.CharField(max_length=100, help_text="What lists, budgets and rate limits call it, such as frontier.")
    field_order = ("name", "patterns")
