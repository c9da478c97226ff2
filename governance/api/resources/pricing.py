"""What models cost and can do at most, by hand; and what would become of a call."""

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.base import ApiView, Body, Shape, changes, read_body
from governance.api.fields import IdField, UsdField
from governance.api.lookups import ensure, found
from governance.api.resources.models import Models, ModelShape, PriceShape
from governance.api.schema import described
from governance.catalog import operations, queries
from governance.catalog.models import LanguageModel
from governance.catalog.operations import NewModel
from governance.core.clock import utc_now
from governance.plugin.media import LARGEST_BOUND
from governance.plugin.usage import MAX_COUNT, UNPRICED, TokenClass
from governance.policy.dry_run import Asked, dry_run
from governance.viewing.installed import installed_providers, installed_strategies
from governance.viewing.viewer import Viewer

_PRICED = [each.value for each in TokenClass if each not in UNPRICED]
_LONGEST_PRICE = 40
_PRICE = re.compile(r"[0-9]+(\.[0-9]+)?")
_READERS = "Only administrators and auditors see what would become of a call."
_OPERATORS = (
    "The catalogue is the whole installation's: an administrator changes it where there is one organisation, otherwise "
    "the operator does, with `bursar models`."
)


@extend_schema_field({"type": "string", "pattern": r"^\d+(\.\d+)?$", "examples": ["2.50"]})
class PriceField(serializers.Field[Decimal, str, str, Any]):
    """USD per million, as a decimal text."""

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the exact number."""
        if not isinstance(data, str) or len(data) > _LONGEST_PRICE or not _PRICE.fullmatch(data):
            raise serializers.ValidationError('Write a price as a decimal text, such as "2.50".')
        return Decimal(data)


class LimitsBody(Body):
    """How much a model reads and writes at most. What is left out stays."""

    context_tokens = serializers.IntegerField(required=False, min_value=1, max_value=MAX_COUNT)
    max_output_tokens = serializers.IntegerField(required=False, min_value=1, max_value=MAX_COUNT)
    bounds = serializers.DictField(
        child=serializers.IntegerField(min_value=0, max_value=LARGEST_BOUND),
        required=False,
        help_text="The most that media can count as, by the names of `bursar models add --bound`.",
    )


class NewModelBody(LimitsBody):
    """A model that no source of prices knows."""

    provider = serializers.CharField(max_length=100)
    name = serializers.CharField(max_length=200, help_text="The vendor's own id.")
    title = serializers.CharField(required=False, allow_blank=True, default="", max_length=200)


class PricesBody(Body):
    """What a model costs from an instant on. Classes that are not named have no price from then on."""

    usd_per_million = serializers.DictField(
        child=PriceField(),
        allow_empty=False,
        help_text="By token class: input and output at least, or what is priced by the piece.",
    )
    effective_from = serializers.DateTimeField(required=False, help_text="Without one: now.")
    is_confirmed = serializers.BooleanField(
        required=False, default=False, help_text="The price is right, though it looks like a mix-up of units."
    )

    def validate_usd_per_million(self, wanted: dict[str, Decimal]) -> dict[TokenClass, Decimal]:
        """Return the classes, and refuse what is none."""
        unknown = sorted(set(wanted) - set(_PRICED))
        if unknown:
            raise serializers.ValidationError(f"{unknown[0][:64]!r} is not priced. There is: {', '.join(_PRICED)}.")
        return {TokenClass(name): price for name, price in wanted.items()}


class PricesShape(Shape):
    """What was written."""

    prices = PriceShape(many=True)


class CallBody(Body):
    """A call to ask about."""

    team_id = IdField()
    key_id = IdField(required=False, allow_null=True, default=None, help_text="One of the team's; null: any of them.")
    input_tokens = serializers.IntegerField(required=False, default=1000, min_value=0, max_value=MAX_COUNT)
    output_tokens = serializers.IntegerField(required=False, default=500, min_value=0, max_value=MAX_COUNT)


class DecisionShape(Shape):
    """What the allow-lists say, and which level and pattern decided."""

    is_allowed = serializers.BooleanField()
    level = serializers.CharField(allow_null=True)
    pattern = serializers.CharField(allow_null=True)


class StepShape(Shape):
    """A deployment, and why it would be asked at its place, or not at all."""

    deployment_id = serializers.IntegerField(source="deployment.pk")
    connection = serializers.CharField(source="deployment.connection.name")
    upstream_name = serializers.CharField(source="deployment.upstream_name")
    reason = serializers.CharField()
    at_most_usd = UsdField(source="worst_nano", allow_null=True, help_text="What the call costs there at most.")


class DryRunShape(Shape):
    """What would become of the call."""

    decision = DecisionShape()
    refusal = serializers.CharField(help_text="Why it would be refused; empty where it would be made.")
    asked = StepShape(many=True, help_text="One after another until one answers.")
    left_out = StepShape(many=True)


class Catalogue(Models):
    """All models, and new ones."""

    @described(
        answer=ModelShape, body=NewModelBody, status=201, example={"provider": "openai_compatible", "name": "llama-4"}
    )
    @changes
    def post(self, request: Request) -> Response:
        """Put a model into the catalogue that no source of prices knows. Give it prices next."""
        wanted, viewer = read_body(NewModelBody, request), _operator(self.caller.viewer)
        added = operations.add_model(actor=viewer.actor, new=NewModel(**wanted))
        return Response(ModelShape(added).data, status=201)


class ModelLimits(ApiView):
    """What a model can do at most."""

    area = "models"

    @described(answer=ModelShape, body=LimitsBody, example={"max_output_tokens": 8192})
    @changes
    def patch(self, request: Request, model_id: int) -> Response:
        """Say how much a model reads and writes at most: it bounds what a call can cost."""
        wanted, viewer = read_body(LimitsBody, request), _operator(self.caller.viewer)
        found(LanguageModel.objects.all(), model_id, what="model")
        changed = operations.change_limits(actor=viewer.actor, model_id=model_id, **wanted)
        return Response(ModelShape(changed).data)


class ModelPrices(ApiView):
    """What a model costs."""

    area = "models"

    @described(
        answer=PricesShape,
        body=PricesBody,
        example={"usd_per_million": {"input": "2.50", "output": "10"}, "effective_from": "2027-01-01T00:00:00Z"},
    )
    @changes
    def put(self, request: Request, model_id: int) -> Response:
        """Price a model by hand from an instant on. Such prices stand before every imported one.

        What was called before keeps its price. A model that has manual prices cannot be priced in the past.
        """
        wanted, viewer = read_body(PricesBody, request), _operator(self.caller.viewer)
        found(LanguageModel.objects.all(), model_id, what="model")
        now = utc_now()
        operations.set_prices(
            actor=viewer.actor,
            at=now,
            model_id=model_id,
            prices=wanted["usd_per_million"],
            effective_from=wanted.get("effective_from", now),
            is_confirmed=wanted["is_confirmed"],
        )
        return Response(PricesShape({"prices": queries.price_history(model_id=model_id)}).data)


class AliasDryRun(ApiView):
    """What would become of a call."""

    area = "models"
    reads_by = frozenset({"POST"})

    @described(answer=DryRunShape, body=CallBody, is_reading=True, example={"team_id": 7, "input_tokens": 2000})
    def post(self, request: Request, alias_id: int) -> Response:
        """Say what would become of a call, without making it: whether it may be made, who is asked, and why."""
        wanted, viewer = read_body(CallBody, request), self.caller.viewer
        ensure(viewer.access.may_see_settings(viewer.organisation.pk), _READERS)
        team = found(viewer.visible_teams(), wanted["team_id"], what="team")
        keys = viewer.visible_keys().filter(team=team)
        asked = Asked(
            alias=found(queries.aliases_of(organisation_id=viewer.organisation.pk), alias_id, what="alias"),
            team=team,
            key=found(keys, wanted["key_id"], what="key") if wanted["key_id"] is not None else None,
            input_tokens=wanted["input_tokens"],
            output_tokens=wanted["output_tokens"],
        )
        become = dry_run(asked=asked, at=utc_now(), strategies=installed_strategies(), providers=installed_providers())
        return Response(DryRunShape(become).data)


def _operator(viewer: Viewer) -> Viewer:
    ensure(viewer.may_change_catalogue, _OPERATORS)
    return viewer
