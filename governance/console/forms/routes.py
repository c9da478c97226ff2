"""What people type about routes, validated with sentences."""

from typing import Any, cast

from django import forms
from django.forms import BoundField

from governance.catalog import queries as catalog
from governance.catalog.errors import ModelNotFound
from governance.catalog.models import Deployment, LanguageModel, ModelAlias
from governance.catalog.names import MAX_ALIAS_CHARACTERS
from governance.catalog.operations import MAX_WEIGHT
from governance.catalog.routes import RouteWish
from governance.connections.models import Connection
from governance.connections.queries import connections_of
from governance.console.forms.callers import CallerForm
from governance.console.pages.routes import deployments_of, routings
from governance.core.clock import utc_now
from governance.core.errors import BursarError
from governance.plugin.usage import MAX_COUNT
from governance.policy.dry_run import Asked
from governance.teams.names import clean_region
from governance.viewing.viewer import Viewer


class RouteForm(forms.Form):
    """What stands behind an alias. Each deployment has a place (none: it is no part of it) and a weight."""

    routing = forms.ChoiceField(
        label="Chosen", help_text="Another is asked only while the client was told nothing yet."
    )
    leaves_own = forms.BooleanField(
        required=False, label="Where a caller's own account at a vendor fails, shared connections follow"
    )

    def __init__(self, data: Any, *, viewer: Viewer, alias: ModelAlias | None = None) -> None:
        targets = {target.deployment_id: target for target in alias.targets.all()} if alias is not None else {}
        present = {"routing": alias.routing, "leaves_own": alias.leaves_own} if alias is not None else {}
        super().__init__(data, initial=present)
        ways = routings()
        if alias is not None and alias.routing not in dict(ways):
            ways.append((alias.routing, f"{alias.routing}, which no installed plugin offers"))
        cast("forms.ChoiceField", self.fields["routing"]).choices = ways
        self._deployments = deployments_of(viewer=viewer)
        for deployment in self._deployments:
            target = targets.get(deployment.pk)
            self.fields[f"place_{deployment.pk}"] = forms.IntegerField(
                required=False,
                min_value=1,
                max_value=1000,
                initial=target.position + 1 if target is not None else None,
                label=f"Place of {deployment}",
            )
            self.fields[f"weight_{deployment.pk}"] = forms.IntegerField(
                required=False,
                min_value=0,
                max_value=MAX_WEIGHT,
                initial=target.weight if target is not None else 1,
                label=f"Weight of {deployment}",
            )

    def rows(self) -> list[tuple[Deployment, BoundField, BoundField]]:
        """Return each deployment with its fields: what is in the route first, in its order."""
        rows = [(each, self[f"place_{each.pk}"], self[f"weight_{each.pk}"]) for each in self._deployments]
        return sorted(rows, key=lambda row: (row[1].initial is None, row[1].initial or 0))

    def clean(self) -> dict[str, Any]:
        """A route leads somewhere, and two deployments cannot stand at the same place."""
        places = list(self._places().values())
        if not places:
            self.add_error(None, "Give at least one deployment a place: without any the name leads nowhere.")
        if len(set(places)) != len(places):
            self.add_error(None, "Two deployments have the same place: number them 1, 2, 3 and so on.")
        return self.cleaned_data

    def wish(self) -> RouteWish:
        """Return what was asked for."""
        places = self._places()
        weights = {pk: self.cleaned_data.get(f"weight_{pk}") for pk in places}
        return RouteWish(
            deployment_ids=tuple(sorted(places, key=lambda pk: places[pk])),
            routing=self.cleaned_data["routing"],
            weights={pk: 1 if weight is None else weight for pk, weight in weights.items()},
            leaves_own=self.cleaned_data["leaves_own"],
        )

    def _places(self) -> dict[int, int]:
        found = {each.pk: self.cleaned_data.get(f"place_{each.pk}") for each in self._deployments}
        return {pk: place for pk, place in found.items() if place is not None}


class NewRouteForm(RouteForm):
    """A new alias."""

    name = forms.CharField(
        max_length=MAX_ALIAS_CHARACTERS, help_text="What clients write as the model, such as gpt-5 or fast-and-cheap."
    )
    field_order = ("name",)


class DeploymentForm(forms.Form):
    """A model to be reached through a connection."""

    connection = forms.ModelChoiceField(queryset=Connection.objects.none(), empty_label=None)
    model = forms.CharField(
        max_length=300, help_text="As Models & prices names it; PROVIDER/MODEL where it is another vendor's there."
    )
    upstream_name = forms.CharField(
        required=False, max_length=200, label="Name at the vendor", help_text="Where it differs from the model's."
    )
    region = forms.CharField(
        required=False, max_length=64, help_text="Where it handles requests, such as eu. Without one: the connection's."
    )

    def __init__(self, data: Any, *, viewer: Viewer) -> None:
        super().__init__(data)
        found = connections_of(organisation_id=viewer.organisation.pk)
        cast("forms.ModelChoiceField[Connection]", self.fields["connection"]).queryset = found

    def clean_region(self) -> str:
        """Return the label as it is kept."""
        text: str = self.cleaned_data["region"]
        try:
            return clean_region(text) if text else ""
        except BursarError as error:
            raise forms.ValidationError(error.message) from error

    def clean(self) -> dict[str, Any]:
        """The model is in the catalogue, and has a price: what has none is never called."""
        connection, name = self.cleaned_data.get("connection"), self.cleaned_data.get("model")
        if connection is None or name is None:
            return self.cleaned_data
        try:
            model = _model(connection, name)
        except ModelNotFound as error:
            self.add_error("model", error.message)
            return self.cleaned_data
        if not catalog.prices_in_force(model_ids=[model.pk], at=utc_now()):
            self.add_error(
                "model", f"No price of {model} is known, and what has no price is never called: price it first."
            )
        return self.cleaned_data | {"model": model}


def _model(connection: Connection, name: str) -> LanguageModel:
    try:
        return catalog.model_named(provider=connection.provider, name=name)
    except ModelNotFound:
        provider, sign, rest = name.partition("/")
        if not sign:
            raise
        return catalog.model_named(provider=provider, name=rest)


class DryRunForm(CallerForm):
    """A call that somebody asks about."""

    input_tokens = forms.IntegerField(min_value=0, max_value=MAX_COUNT, initial=1000)
    output_tokens = forms.IntegerField(min_value=0, max_value=MAX_COUNT, initial=500, label="Output tokens, at most")

    def asked(self, alias: ModelAlias) -> Asked:
        """Return the call."""
        return Asked(
            alias=alias,
            team=self.cleaned_data["team"],
            key=self.cleaned_data["key"],
            input_tokens=self.cleaned_data["input_tokens"],
            output_tokens=self.cleaned_data["output_tokens"],
        )
