"""`bursar models`."""

from decimal import Decimal
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from governance.catalog import operations, queries
from governance.catalog.importing import import_catalogue
from governance.catalog.models import LanguageModel
from governance.commands.base import Answer, VerbCommand, actor, plugins
from governance.connections.queries import connection_named
from governance.core.clock import utc_now
from governance.core.errors import BadRequest
from governance.core.money import exact
from governance.plugin.usage import TokenClass
from governance.teams.queries import organisation_named

_PRICES = {
    "input_price": TokenClass.INPUT,
    "output_price": TokenClass.OUTPUT,
    "cache_read_price": TokenClass.CACHE_READ,
    "cache_write_price": TokenClass.CACHE_WRITE,
    "reasoning_price": TokenClass.REASONING,
}


class Command(VerbCommand):
    help = "Add models with their prices, list them, import price catalogues."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        verb = self.add_verb(
            "add", _add, words="Make a model callable: catalogue, price by hand (USD per million), connection, alias.",
            example="bursar models add my-llm --connection vllm --input-price 2.50 --output-price 10",
        )  # fmt: skip
        verb.add_argument("name", help="the model's name at the vendor")
        verb.add_argument("--connection", required=True, help="through which account it is called")
        verb.add_argument("--alias", help="the name clients use (default: the model's name)")
        verb.add_argument("--context-tokens", type=int)
        verb.add_argument("--max-output-tokens", type=int)
        for option in _PRICES:
            verb.add_argument(f"--{option.replace('_', '-')}", help="USD per million tokens, exact")
        verb = self.add_verb("list", _list, words="List the catalogue.", example="bursar models list --provider openai")
        verb.add_argument("--provider", help="only this vendor's")
        verb = self.add_verb(
            "import", _import, words="Import models and prices from installed price sources.",
            example="bursar models import --source genai-prices",
        )  # fmt: skip
        verb.add_argument("--source", help="only this one; see `bursar plugins`")


@transaction.atomic
def _add(options: dict[str, Any]) -> Answer:
    at = utc_now()
    connection = connection_named(organisation=organisation_named(), name=options["connection"])
    prices = {kind: _price(options[name]) for name, kind in _PRICES.items() if options[name] is not None}
    model = LanguageModel.objects.filter(provider=connection.provider, name=options["name"]).first()
    if model is None:
        new = operations.NewModel(
            provider=connection.provider,
            name=options["name"],
            context_tokens=options["context_tokens"],
            max_output_tokens=options["max_output_tokens"],
        )
        model = operations.add_model(actor=actor(), new=new)
    if prices:
        operations.set_prices(actor=actor(), at=at, model_id=model.pk, prices=prices, effective_from=at)
    deployment = operations.add_deployment(actor=actor(), model_id=model.pk, connection_id=connection.pk)
    alias = operations.add_alias(
        actor=actor(),
        organisation_id=connection.organisation_id,
        name=options["alias"] or options["name"],
        deployment_ids=[deployment.pk],
    )
    return {"id": model.pk, "model": str(model), "alias": alias.name, "connection": connection.name}


def _price(text: str) -> Decimal:
    return exact(text)


def _list(options: dict[str, Any]) -> Answer:
    return [
        {
            "id": model.pk,
            "provider": model.provider,
            "name": model.name,
            "context_tokens": model.context_tokens,
            "max_output_tokens": model.max_output_tokens,
            "retires_on": model.retires_on.isoformat() if model.retires_on else None,
        }
        for model in queries.models(provider=options["provider"])
    ]


def _import(options: dict[str, Any]) -> Answer:
    sources = plugins().price_sources
    wanted = options["source"]
    if wanted and wanted not in sources:
        raise BadRequest(f"There is no price source {wanted!r}; installed: {', '.join(sorted(sources)) or 'none'}.")
    results = [
        import_catalogue(actor=actor(), at=utc_now(), catalogue=source.read(providers=()))
        for name, source in sources.items()
        if wanted in (None, name)
    ]
    return [
        {
            "source": result.source,
            "models_added": result.models_added,
            "prices_opened": result.prices_opened,
            "prices_closed": result.prices_closed,
            "warnings": len(result.warnings),
            "refused": len(result.refused),
        }
        for result in results
    ]
