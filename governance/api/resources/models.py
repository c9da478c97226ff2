"""Models with their prices, where they run, and the aliases that clients call."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, ensure_unchanged, read_body, read_query, version
from governance.api.fields import IdField
from governance.api.lookups import ensure, found
from governance.api.pages import PageQuery, answer, page_by_id
from governance.api.schema import described, paged
from governance.catalog import operations, queries
from governance.catalog.amounts import usd_per_million
from governance.catalog.models import Deployment, LanguageModel, ModelAlias, Price
from governance.connections.queries import connections_of
from governance.core.clock import utc_now
from governance.viewing.installed import installed_routings
from governance.viewing.viewer import Viewer

_ADMINISTRATORS = "Only administrators change what models are called and where they run. Ask one of them."
_MOST_TARGETS = 100
_LARGEST_WEIGHT = 10_000


class PriceShape(Shape):
    """What one token (or call) of a class costs, between two instants."""

    book = serializers.CharField(source="book.name")
    token_class = serializers.CharField()
    service_tier = serializers.CharField()
    from_input_tokens = serializers.IntegerField()
    usd_per_million = serializers.SerializerMethodField()
    hours = serializers.CharField(help_text="The hours at which it holds; empty: all of them.")
    effective_from = serializers.DateTimeField()
    effective_to = serializers.DateTimeField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment] # the name of a price's column, and of an argument

    def get_usd_per_million(self, price: Price) -> str:
        """Exact, as a decimal text."""
        return f"{usd_per_million(price.nano_per_unit):f}"


class ModelShape(Shape):
    """One model of one vendor."""

    id = serializers.IntegerField()
    provider = serializers.CharField()
    name = serializers.CharField()
    title = serializers.CharField()
    context_tokens = serializers.IntegerField(allow_null=True)
    max_output_tokens = serializers.IntegerField(allow_null=True)
    released_on = serializers.DateField(allow_null=True)
    retires_on = serializers.DateField(allow_null=True)
    successor = serializers.CharField()


class PricedModelShape(Shape):
    """A model with every price of it, those of the deciding book first."""

    model = ModelShape()
    in_force = PriceShape(many=True, help_text="What decides now.")
    prices = PriceShape(many=True, help_text="All of them, former and coming ones too.")


class ModelsQuery(PageQuery):
    """Which models."""

    catalogue = serializers.BooleanField(default=False, help_text="The whole catalogue, not only what is on offer.")
    provider = serializers.CharField(required=False, max_length=100)


class DeploymentShape(Shape):
    """A model through a connection."""

    id = serializers.IntegerField()
    model_id = serializers.IntegerField()
    connection_id = serializers.IntegerField()
    upstream_name = serializers.CharField(help_text="What the vendor is asked for.")
    region = serializers.CharField()
    is_enabled = serializers.BooleanField()


class NewDeploymentBody(Body):
    """A model to be offered through a connection."""

    model_id = IdField()
    connection_id = IdField()
    upstream_name = serializers.CharField(required=False, allow_blank=True, default="", max_length=200)
    region = serializers.CharField(required=False, allow_blank=True, default="", max_length=64)


class DeploymentChangeBody(Body):
    """Whether it is used."""

    is_enabled = serializers.BooleanField()
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class TargetShape(Shape):
    """One deployment behind an alias."""

    deployment_id = serializers.IntegerField()
    weight = serializers.IntegerField(help_text="For the strategy of that name; 0 makes a spare.")


class AliasShape(Shape):
    """The name clients use, and what is behind it in order."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    routing = serializers.CharField()
    leaves_own = serializers.BooleanField(help_text="Whether shared accounts follow a team's own one.")
    targets = TargetShape(many=True)


class DeploymentsField(serializers.ListField):
    """Deployments in the order in which they are tried."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=IdField(), min_length=1, max_length=_MOST_TARGETS, **options)


class WeightBody(Body):
    """How much of the calls a deployment gets."""

    deployment_id = IdField()
    weight = serializers.IntegerField(min_value=0, max_value=_LARGEST_WEIGHT)


class NewAliasBody(Body):
    """An alias to be made."""

    name = serializers.CharField(max_length=200)
    deployment_ids = DeploymentsField()


class AliasChangeBody(Body):
    """What is to be different. What is left out stays."""

    deployment_ids = DeploymentsField(required=False)
    routing = serializers.CharField(required=False, max_length=100)
    weights: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=WeightBody(), required=False, max_length=_MOST_TARGETS
    )
    leaves_own = serializers.BooleanField(required=False)


class Models(ApiView):
    """All models."""

    area = "models"

    @described(answer=paged(ModelShape), query=ModelsQuery)
    def get(self, request: Request) -> Response:
        """List the models on offer, or the whole catalogue, the newest first."""
        query = read_query(ModelsQuery, request)
        rows = queries.models(provider=query.get("provider"))
        if not query["catalogue"]:
            offered = Deployment.objects.filter(connection__organisation=self.caller.viewer.organisation)
            rows = rows.filter(pk__in=offered.values("model_id"))
        return answer(page_by_id(rows, query), ModelShape)


class OneModel(ApiView):
    """One model."""

    area = "models"

    @described(answer=PricedModelShape)
    def get(self, request: Request, model_id: int) -> Response:
        """Show one model with every price of it."""
        model = found(LanguageModel.objects.all(), model_id, what="model")
        facts = {
            "model": model,
            "in_force": queries.prices_in_force(model_ids=[model.pk], at=utc_now()).get(model.pk, []),
            "prices": queries.price_history(model_id=model.pk),
        }
        return Response(PricedModelShape(facts).data)


class Deployments(ApiView):
    """Where models run."""

    area = "models"

    @described(answer=paged(DeploymentShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List which models run through which connections, the newest first."""
        rows = _deployments(self.caller.viewer)
        return answer(page_by_id(rows, read_query(PageQuery, request)), DeploymentShape)

    @described(answer=DeploymentShape, body=NewDeploymentBody, status=201, example={"model_id": 7, "connection_id": 2})
    @changes
    def post(self, request: Request) -> Response:
        """Offer a model through a connection. Nothing changes when it is there already."""
        wanted, viewer = read_body(NewDeploymentBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        found(LanguageModel.objects.all(), wanted["model_id"], what="model")
        found(connections_of(organisation_id=viewer.organisation.pk), wanted["connection_id"], what="connection")
        return Response(DeploymentShape(operations.add_deployment(actor=viewer.actor, **wanted)).data, status=201)


class OneDeployment(ApiView):
    """One place where a model runs."""

    area = "models"

    @described(answer=DeploymentShape, body=DeploymentChangeBody, example={"is_enabled": False, "reason": "Too slow."})
    @changes
    def patch(self, request: Request, deployment_id: int) -> Response:
        """Let calls go there, or not any more."""
        wanted, viewer = read_body(DeploymentChangeBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        found(_deployments(viewer), deployment_id, what="deployment")
        changed = operations.change_deployment_use(
            actor=viewer.actor,
            deployment_id=deployment_id,
            is_enabled=wanted["is_enabled"],
            reason=wanted["reason"],
        )
        return Response(DeploymentShape(changed).data)


class Aliases(ApiView):
    """All aliases."""

    area = "models"

    @described(answer=paged(AliasShape), query=PageQuery)
    def get(self, request: Request) -> Response:
        """List the aliases, and what is behind each, the newest first."""
        rows = queries.aliases_of(organisation_id=self.caller.viewer.organisation.pk)
        return answer(page_by_id(rows, read_query(PageQuery, request)), AliasShape)

    @described(
        answer=AliasShape, body=NewAliasBody, status=201, example={"name": "gpt-5-mini", "deployment_ids": [4, 9]}
    )
    @changes
    def post(self, request: Request) -> Response:
        """Make an alias. Its deployments are tried in this order."""
        wanted, viewer = read_body(NewAliasBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        _ensure_own(viewer, wanted["deployment_ids"])
        alias = operations.add_alias(
            actor=viewer.actor,
            organisation_id=viewer.organisation.pk,
            name=wanted["name"],
            deployment_ids=wanted["deployment_ids"],
        )
        return _shown(viewer, alias.pk, status=201)


class OneAlias(ApiView):
    """One alias."""

    area = "models"

    @described(answer=AliasShape)
    def get(self, request: Request, alias_id: int) -> Response:
        """Show one alias, and what is behind it."""
        return _shown(self.caller.viewer, alias_id)

    @described(answer=AliasShape, body=AliasChangeBody, example={"deployment_ids": [9, 4]}, is_versioned=True)
    @changes
    def patch(self, request: Request, alias_id: int) -> Response:
        """Change what is behind an alias, and how it is chosen from."""
        wanted, viewer = read_body(AliasChangeBody, request), self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        _alias(viewer, alias_id)
        alias = queries.alias(alias_id=alias_id, is_locked=True)
        ensure_unchanged(request, _version(alias))
        if "deployment_ids" in wanted:
            _ensure_own(viewer, wanted["deployment_ids"])
            operations.change_targets(actor=viewer.actor, alias_id=alias_id, deployment_ids=wanted["deployment_ids"])
        if "routing" in wanted or "weights" in wanted:
            operations.change_routing(
                actor=viewer.actor,
                alias_id=alias_id,
                routing=wanted.get("routing", alias.routing),
                known=installed_routings(),
                weights={each["deployment_id"]: each["weight"] for each in wanted.get("weights", ())},
            )
        if "leaves_own" in wanted:
            operations.change_leaving_own(actor=viewer.actor, alias_id=alias_id, leaves_own=wanted["leaves_own"])
        return _shown(viewer, alias_id)

    @described(status=204)
    @changes
    def delete(self, request: Request, alias_id: int) -> Response:
        """Remove an alias: calls to it are refused from then on."""
        viewer = self.caller.viewer
        ensure(viewer.may_administer, _ADMINISTRATORS)
        _alias(viewer, alias_id)
        operations.remove_alias(actor=viewer.actor, alias_id=alias_id)
        return Response(status=204)


def _deployments(viewer: Viewer) -> QuerySet[Deployment]:
    return Deployment.objects.filter(connection__organisation=viewer.organisation)


def _ensure_own(viewer: Viewer, deployment_ids: Sequence[int]) -> None:
    for deployment_id in deployment_ids:
        found(_deployments(viewer), deployment_id, what="deployment")


def _alias(viewer: Viewer, alias_id: int) -> ModelAlias:
    return found(queries.aliases_of(organisation_id=viewer.organisation.pk), alias_id, what="alias")


def _shown(viewer: Viewer, alias_id: int, *, status: int = 200) -> Response:
    alias = _alias(viewer, alias_id)
    headers = {"ETag": _version(alias)}
    if status == 201:
        headers["Location"] = f"/api/v1/aliases/{alias_id}"
    return Response(AliasShape(alias).data, status=status, headers=headers)


def _version(alias: ModelAlias) -> str:
    targets = [(target.deployment_id, target.weight) for target in alias.targets.all()]
    return version(targets, alias.routing, alias.leaves_own)
