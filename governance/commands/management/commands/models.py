"""`bursar models`: what can be called, and what it costs."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.core.management.base import CommandParser
from django.db import transaction

from governance.catalog import operations, queries
from governance.catalog.amounts import usd_per_million
from governance.catalog.currencies import rate_of
from governance.catalog.errors import PriceUnusual
from governance.catalog.hours import hours_in_words
from governance.catalog.importing import ImportResult, import_catalogue
from governance.catalog.models import LanguageModel, ModelAlias, Price
from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation, plugins
from governance.commands.parsing import pairs
from governance.connections.models import Connection
from governance.connections.queries import connection_named
from governance.core.clock import utc_now
from governance.core.errors import BadRequest
from governance.core.money import exact
from governance.keys.queries import key_named
from governance.plugin.media import LARGEST_BOUND
from governance.plugin.routing import OWN_ROUTINGS
from governance.plugin.usage import UNIT_CLASSES, TokenClass
from governance.policy.dry_run import Asked, dry_run
from governance.teams.queries import team_named

_PRICES = {
    "input_price": TokenClass.INPUT,
    "output_price": TokenClass.OUTPUT,
    "cache_read_price": TokenClass.CACHE_READ,
    "cache_read_explicit_price": TokenClass.CACHE_READ_EXPLICIT,
    "cache_write_price": TokenClass.CACHE_WRITE,
    "reasoning_price": TokenClass.REASONING,
    "input_audio_price": TokenClass.INPUT_AUDIO,
    "input_image_price": TokenClass.INPUT_IMAGE,
    "output_audio_price": TokenClass.OUTPUT_AUDIO,
    "output_image_price": TokenClass.OUTPUT_IMAGE,
    "image_price": TokenClass.IMAGE,
    "character_price": TokenClass.CHARACTER,
    "audio_second_price": TokenClass.AUDIO_SECOND,
}
_CONFIRM = "--confirm-unusual-prices"


class Command(VerbCommand):
    """Models, aliases and prices."""

    help = "Make models callable, see their prices, import price catalogues."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        self._declare_add()
        verb = self.add_verb(
            "list", _list, words="List the catalogue with today's price per million tokens.",
            example="bursar models list --provider openai\n  bursar models list --aliases --json",
        )  # fmt: skip
        verb.add_argument("--provider", help="only this vendor's")
        verb.add_argument("--aliases", action="store_true", help="only what clients can call, by alias")
        verb = self.add_verb(
            "order", _order, words="Say in which order an alias's deployments are tried.",
            example="bursar models order llama spare/llama-4 vllm/llama-4",
        )  # fmt: skip
        verb.add_argument("alias", help="the name clients use")
        verb.add_argument(
            "deployments", metavar="CONNECTION/MODEL", nargs="+", help="all of them, the first tried first"
        )
        self._declare_route()
        verb = self.add_verb(
            "prices", _prices, words="Show every price a model had, has and will have, with where it was read.",
            example="bursar models prices deepseek/deepseek-v4-pro",
        )  # fmt: skip
        verb.add_argument("model", metavar="PROVIDER/MODEL", help="as `bursar models list` names it")
        verb = self.add_verb(
            "import", _import, words="Import models and prices from installed price sources. Safe to repeat.",
            example="bursar models import --source genai-prices\n  bursar models import --rate CNY=0.1404",
        )  # fmt: skip
        verb.add_argument("--source", help="only this one; see `bursar plugins`")
        verb.add_argument(_CONFIRM, action="store_true", help="apply price changes by more than a factor of 20 too")
        verb.add_argument(
            "--rate", action="append", default=[], metavar="CURRENCY=USD",
            help="what one unit is worth, for prices in CNY and the like; repeatable",
        )  # fmt: skip

    def _declare_route(self) -> None:
        verb = self.add_verb(
            "route", _route, words="Say how an alias's deployments are chosen: in order, by weight, price or latency.",
            example="bursar models route llama --by weight --weight vllm/llama-4=3 --weight spare/llama-4=1\n"
            "  bursar models route llama --by order",
        )  # fmt: skip
        verb.add_argument("alias", help="the name clients use")
        verb.add_argument(
            "--by", required=True, help="order, weight, price, latency, or a plugin's; see `bursar plugins`"
        )
        verb.add_argument(
            "--weight", action="append", default=[], metavar="CONNECTION/MODEL=N", help="0 makes a spare; repeatable"
        )

        verb = self.add_verb(
            "try", _try, words="Say what would become of a call now, without making it: who is asked first, and why.",
            example="bursar models try llama --team search\n"
            "  bursar models try llama --key bsr_4YvJmW0aXw --input-tokens 20000 --output-tokens 4000",
        )  # fmt: skip
        verb.add_argument("alias", help="the name clients use")
        caller = verb.add_mutually_exclusive_group(required=True)
        caller.add_argument("--team", metavar="NAME", help="a call with any key of this team")
        caller.add_argument("--key", metavar="ID", help="a call with this key: its id, or bsr_... of its text")
        verb.add_argument("--input-tokens", type=int, default=1000, help="how much it reads (default: 1000)")
        verb.add_argument("--output-tokens", type=int, default=500, help="how much it writes at most (default: 500)")
        verb = self.add_verb(
            "own", _own, words="Say what follows where a caller's own account at a vendor fails.",
            example="bursar models own llama --then shared\n  bursar models own llama --then nothing",
        )  # fmt: skip
        verb.add_argument("alias", help="the name clients use")
        verb.add_argument(
            "--then", required=True, choices=["shared", "nothing"], help="shared: the organisation's connections"
        )

    def _declare_add(self) -> None:
        verb = self.add_verb(
            "add", _add, words="Make a model callable: catalogue, price by hand (USD per million), connection, alias.",
            example="bursar models add my-llm --connection vllm --input-price 2.50 --output-price 10\n"
            "  bursar models add deepseek-v4-pro --connection deepseek --priced-as deepseek/deepseek-v4-pro\n"
            "  bursar models add llama-4 --connection spare --alias llama --as-fallback",
        )  # fmt: skip
        verb.add_argument("name", help="the model's name at the vendor")
        verb.add_argument("--connection", required=True, help="through which account it is called")
        verb.add_argument("--alias", help="the name clients use (default: the model's name)")
        verb.add_argument("--as-fallback", action="store_true", help="the last deployment of an alias that there is")
        verb.add_argument("--priced-as", metavar="PROVIDER/MODEL", help="it is this model of the catalogue")
        verb.add_argument("--context-tokens", type=int, help="how much input it reads")
        verb.add_argument("--max-output-tokens", type=int, help="how much it writes at most")
        verb.add_argument(
            "--bound", action="append", default=[], metavar="NAME=N",
            help="the most that media count as, such as image_input_tokens=1445; repeatable",
        )  # fmt: skip
        for option, kind in _PRICES.items():
            unit = f"{kind.replace('_', ' ')}s" if kind in UNIT_CLASSES else "tokens"
            verb.add_argument(f"--{option.replace('_', '-')}", help=f"USD per million {unit}, exact")
        verb.add_argument(_CONFIRM, action="store_true", help="the prices are right, though they look like a mix-up")


@transaction.atomic
def _add(options: dict[str, Any]) -> Answer:
    at = utc_now()
    connection = connection_named(organisation=chosen_organisation(options), name=options["connection"])
    prices = {kind: exact(options[name]) for name, kind in _PRICES.items() if options[name] is not None}
    model = _catalogue_model(connection, options)
    if prices:
        _set_prices(model, prices, at=at, is_confirmed=options["confirm_unusual_prices"])
    elif not queries.prices_in_force(model_ids=[model.pk], at=at):
        raise BadRequest(
            f"No price of {model} is known, and what has no price is never called: give --input-price and "
            "--output-price, or --priced-as with a model of the catalogue."
        )
    deployment = operations.add_deployment(
        actor=actor(), model_id=model.pk, connection_id=connection.pk, upstream_name=options["name"]
    )
    name = options["alias"] or options["name"]
    if options["as_fallback"]:
        alias = queries.alias_named(organisation=connection.organisation, name=name)
        kept = [target.deployment_id for target in alias.targets.all()]
        operations.change_targets(actor=actor(), alias_id=alias.pk, deployment_ids=[*kept, deployment.pk])
    else:
        alias = operations.add_alias(
            actor=actor(),
            organisation_id=connection.organisation_id,
            name=name,
            deployment_ids=[deployment.pk],
        )
    return {"id": model.pk, "model": str(model), "alias": alias.name, "connection": connection.name}


@transaction.atomic
def _order(options: dict[str, Any]) -> Answer:
    """Put the alias's deployments into the order given; each of them once."""
    organisation = chosen_organisation(options)
    alias = queries.alias_named(organisation=organisation, name=options["alias"])
    ids = _deployment_ids(alias)
    if sorted(options["deployments"]) != sorted(ids):
        raise BadRequest(f"Name each deployment of {alias.name!r} once: {', '.join(ids)}.")
    wanted = [ids[name] for name in options["deployments"]]
    operations.change_targets(actor=actor(), alias_id=alias.pk, deployment_ids=wanted)
    return {"alias": alias.name, "deployments": options["deployments"]}


def _route(options: dict[str, Any]) -> Answer:
    alias = queries.alias_named(organisation=chosen_organisation(options), name=options["alias"])
    ids = _deployment_ids(alias)
    weights = {}
    for text in options["weight"]:
        name, _, number = text.rpartition("=")
        if name not in ids or not (number.isascii() and number.isdigit()):
            raise BadRequest(f"{text!r} is no weight: write CONNECTION/MODEL=N for one of {', '.join(ids)}.")
        weights[ids[name]] = int(number)
    operations.change_routing(
        actor=actor(),
        alias_id=alias.pk,
        routing=options["by"],
        known={*OWN_ROUTINGS, *plugins().routing_strategies},
        weights=weights,
    )
    kept = {target.deployment_id: target.weight for target in alias.targets.all()}
    return {"alias": alias.name, "by": options["by"], "weights": {name: kept[pk] for name, pk in ids.items()}}


def _try(options: dict[str, Any]) -> Answer:
    organisation = chosen_organisation(options)
    key = key_named(text=options["key"]) if options["key"] else None
    installed = plugins()
    found = dry_run(
        asked=Asked(
            alias=queries.alias_named(organisation=organisation, name=options["alias"]),
            team=key.team if key is not None else team_named(organisation=organisation, name=options["team"]),
            key=key,
            input_tokens=max(0, options["input_tokens"]),
            output_tokens=max(0, options["output_tokens"]),
        ),
        at=utc_now(),
        strategies=installed.routing_strategies,
        providers=installed.providers,
    )
    return {
        "refused": found.refusal or None,
        "asked": [f"{step.deployment}: {step.reason}" for step in found.asked],
        "not_asked": [f"{step.deployment}: {step.reason}" for step in found.left_out],
        "decided_by": found.decision.level,
        "pattern": found.decision.pattern,
    }


def _own(options: dict[str, Any]) -> Answer:
    alias = queries.alias_named(organisation=chosen_organisation(options), name=options["alias"])
    changed = operations.change_leaving_own(actor=actor(), alias_id=alias.pk, leaves_own=options["then"] == "shared")
    return {"alias": changed.name, "then": "shared" if changed.leaves_own else "nothing"}


def _deployment_ids(alias: ModelAlias) -> dict[str, int]:
    """Return the alias's deployments by the name that commands give them, in their order."""
    return {
        f"{target.deployment.connection.name}/{target.deployment.upstream_name}": target.deployment_id
        for target in alias.targets.select_related("deployment__connection")
    }


def _set_prices(model: LanguageModel, prices: dict[TokenClass, Decimal], *, at: datetime, is_confirmed: bool) -> None:
    try:
        operations.set_prices(
            actor=actor(), at=at, model_id=model.pk, prices=prices, effective_from=at, is_confirmed=is_confirmed
        )
    except PriceUnusual as error:
        raise BadRequest(f"{error.message} On the command line that is {_CONFIRM}.") from error


def _catalogue_model(connection: Connection, options: dict[str, Any]) -> LanguageModel:
    limits = {name: options[name] for name in ("context_tokens", "max_output_tokens") if options[name] is not None}
    if options["bound"]:
        limits["bounds"] = dict(_bound(text) for text in options["bound"])
    if options["priced_as"]:
        if limits or any(options[name] is not None for name in _PRICES):
            raise BadRequest("--priced-as takes prices and limits from the catalogue: leave the other options out.")
        return _named(options["priced_as"])
    model = queries.models(provider=connection.provider).filter(name=options["name"]).first()
    if model is None:
        new = operations.NewModel(provider=connection.provider, name=options["name"], **limits)
        return operations.add_model(actor=actor(), new=new)
    if limits:
        return operations.change_limits(actor=actor(), model_id=model.pk, **limits)
    return model


def _bound(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not (number.isascii() and number.isdigit() and len(number) <= len(str(LARGEST_BOUND))):
        raise BadRequest(f"{text!r} is no bound: write NAME=N, such as image_input_tokens=1445.")
    return name, int(number)


def _list(options: dict[str, Any]) -> Answer:
    if options["aliases"]:
        return _aliases(options)
    models = list(queries.models(provider=options["provider"]))
    prices = queries.prices_in_force(model_ids=[model.pk for model in models], at=utc_now())
    return [{"id": model.pk, **_model_facts(model, prices.get(model.pk, []))} for model in models]


def _aliases(options: dict[str, Any]) -> list[dict[str, Any]]:
    aliases = list(queries.aliases_of(organisation_id=chosen_organisation(options).pk))
    deployments = [target.deployment for alias in aliases for target in alias.targets.all()]
    prices = queries.prices_in_force(model_ids=[deployment.model_id for deployment in deployments], at=utc_now())
    return [
        {
            "alias": alias.name,
            "routing": alias.routing,
            "weight": target.weight,
            "connection": target.deployment.connection.name,
            "upstream_name": target.deployment.upstream_name,
            **_model_facts(target.deployment.model, prices.get(target.deployment.model_id, [])),
        }
        for alias in aliases
        for target in alias.targets.all()
    ]


def _model_facts(model: LanguageModel, prices: list[Price]) -> dict[str, Any]:
    standard = {
        row.token_class: format(usd_per_million(row.nano_per_unit), "f")
        for row in prices
        if row.service_tier == "standard" and row.from_input_tokens == 0
    }
    return {
        "model": str(model),
        "input_price": standard.get(TokenClass.INPUT),
        "output_price": standard.get(TokenClass.OUTPUT),
        "price_book": prices[0].book.name if prices else None,
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "bounds": model.bounds,
        "lifecycle": model.dates.stage(on=utc_now().date()),
        "dates": {name: day.isoformat() for name, day in msgspec.structs.asdict(model.dates).items() if day},
    }


def _prices(options: dict[str, Any]) -> Answer:
    return [
        {
            "book": row.book.name,
            "token_class": row.token_class,
            "service_tier": row.service_tier,
            "from_input_tokens": row.from_input_tokens,
            "hours": hours_in_words(row.hours) or None,
            "usd_per_million": format(usd_per_million(row.nano_per_unit), "f"),
            "effective_from": row.effective_from.isoformat(),
            "effective_to": row.effective_to.isoformat() if row.effective_to else None,
            "source": row.source,
        }
        for row in queries.price_history(model_id=_named(options["model"]).pk)
    ]


def _named(text: str) -> LanguageModel:
    provider, sign, name = text.partition("/")
    if not sign:
        raise BadRequest(f"{text!r} names no model: write PROVIDER/MODEL, as `bursar models list` does.")
    return queries.model_named(provider=provider, name=name)


def _import(options: dict[str, Any]) -> Answer:
    sources = plugins().price_sources
    wanted = options["source"]
    if wanted and wanted not in sources:
        raise BadRequest(f"There is no price source {wanted!r}; installed: {', '.join(sorted(sources)) or 'none'}.")
    at = utc_now()
    rates = {code: rate_of(code, text) for code, text in pairs(options["rate"], what="rate").items()}
    results = [
        import_catalogue(
            actor=actor(),
            at=at,
            catalogue=source.read(providers=()),
            is_confirmed=options["confirm_unusual_prices"],
            rates=rates,
        )
        for name, source in sources.items()
        if wanted in (None, name)
    ]
    return [_import_facts(result) for result in results]


def _import_facts(result: ImportResult) -> dict[str, Any]:
    return {
        "source": result.source,
        "models_added": result.models_added,
        "models_changed": result.models_changed,
        "prices_opened": result.prices_opened,
        "prices_closed": result.prices_closed,
        "warnings": list(result.warnings),
        "refused": list(result.refused),
        "skipped": list(result.skipped),
    }
