"""The routes: default deny, what is not here does not exist."""

import time
from datetime import datetime

import msgspec

from governance.core.errors import ModelUnknown
from governance.gateway.allowance import rated
from governance.gateway.app import Gateway, Route
from governance.gateway.deltas import GUARDED_STREAMS
from governance.gateway.dialects import RESPONSES, dialect_of
from governance.gateway.exchange import JSON, Exchange
from governance.gateway.formats import FORMATS, GEMINI_STREAM, WireFormat
from governance.gateway.guarding import refuse_sound, refuse_stream
from governance.gateway.jobs import anthropic as anthropic_jobs
from governance.gateway.jobs import background, openai_batches, openai_files
from governance.gateway.jobs.asker import Asker
from governance.gateway.legs import Call, Legs
from governance.gateway.metrics import CONTENT_TYPE
from governance.gateway.remembered import Remembered, remembered
from governance.gateway.rendition import Renditions
from governance.gateway.resolve import callable_aliases, resolve
from governance.gateway.storing import stored
from governance.gateway.tags import read_tags
from governance.plugin.provider import Wire
from governance.policy.snapshot import PolicySnapshot

MODELS = "/v1/models"
BETA_MODELS = "/v1beta/models"


class Governed:
    """The governed path of one wire."""

    def __init__(self, form: WireFormat) -> None:
        self._form = form

    async def __call__(self, gateway: Gateway, exchange: Exchange) -> None:
        """Identify, read, resolve, and let attempts answer. Raises BursarError, RequestInvalid or ClientGone."""
        policy, snapshot, at = await gateway.identify(exchange)
        limits = gateway.vendors.limits
        largest = limits.body_bytes if self._form.read_form is None else limits.form_bytes
        body = await exchange.body(
            limits=limits, largest=largest, watchdog=gateway.vendors.watchdog, now=time.monotonic()
        )
        tags = read_tags(exchange.headers.get(b"x-bursar-tags"), policy=policy, limits=limits)
        renditions = Renditions(self._form, exchange, body, default_maximum=policy.default_max_output_tokens, at=at)
        fields = renditions.fields
        if fields.background:
            asker = Asker(policy=policy, snapshot=snapshot, at=at, tags=tags)
            await background.begin(gateway, exchange, asker, body)
            return
        facts = exchange.facts
        facts.is_stream = fields.stream
        alias, deployments = resolve(name=fields.model, wire=self._form.wire, policy=policy, snapshot=snapshot, at=at)
        facts.alias = fields.model
        if policy.guards is not None:
            if self._form.is_heard:
                refuse_sound(policy.guards)
            if fields.stream and self._form.wire not in GUARDED_STREAMS:
                refuse_stream(policy.guards)
            passed = await gateway.vendors.guards.request(renditions.members, policy.guards, exchange)
            if passed is not body:
                renditions = Renditions(
                    self._form, exchange, passed, default_maximum=policy.default_max_output_tokens, at=at
                )
        call = Call(
            renditions=renditions,
            policy=policy,
            tags=tags,
            alias=alias,
            deployments=deployments,
        )
        storing = snapshot.storing.get(policy.team_id) if snapshot.storing else None
        if storing is None:
            await _answer(gateway, exchange, call, snapshot, at)
            return
        async with stored(gateway, exchange, call, storing, at=at):
            await _answer(gateway, exchange, call, snapshot, at)


async def _answer(gateway: Gateway, exchange: Exchange, call: Call, snapshot: PolicySnapshot, at: datetime) -> None:
    policy = call.policy
    legs = Legs(gateway, exchange, call)
    runner: Legs | Remembered = legs
    if snapshot.caching:
        runner = remembered(gateway, exchange, call, legs, snapshot.caching.get(policy.team_id))
    if not policy.rate_limits:
        await runner.run(at=at)
        return
    async with rated(gateway, exchange, policy=policy, quotes=legs.quotes(at=at)) as allowed:
        await runner.run(at=at, allowed=allowed)


async def list_models(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/models: what this key may call."""
    policy, snapshot, at = await gateway.identify(exchange)
    aliases = callable_aliases(policy=policy, snapshot=snapshot, at=at)
    body = dialect_of(exchange).models(aliases)
    await exchange.respond(200, [JSON], body)


async def show_model(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/models/{id}: one of those."""
    policy, snapshot, at = await gateway.identify(exchange)
    name = exchange.named
    for alias in callable_aliases(policy=policy, snapshot=snapshot, at=at):
        if alias.name == name:
            await exchange.respond(200, [JSON], dialect_of(exchange).model(alias))
            return
    raise ModelUnknown(f"There is no model named {name[:256]!r} for this key. GET /v1/models lists those there are.")


async def healthz(gateway: Gateway, exchange: Exchange) -> None:
    """GET /healthz: the process runs."""
    await exchange.respond(200, [JSON], b'{"status":"ok"}')


async def readyz(gateway: Gateway, exchange: Exchange) -> None:
    """GET /readyz: policy is loaded, the books are open, and the process is not stopping."""
    is_ready = gateway.is_loaded and not gateway.is_stopping
    state = "ready" if is_ready else "stopping" if gateway.is_stopping else "starting"
    await exchange.respond(200 if is_ready else 503, [JSON], msgspec.json.encode({"status": state}))


async def metrics(gateway: Gateway, exchange: Exchange) -> None:
    """GET /metrics: Prometheus' text format, for all processes of this home."""
    await exchange.respond(200, [(b"content-type", CONTENT_TYPE)], gateway.metrics.exposition())


def _gemini(models: str) -> tuple[Route, ...]:
    """Return the routes of Gemini's API under this path: its methods are closing words of the model's address."""
    return (
        Route(models + "/{id}:generateContent", "POST", Governed(FORMATS[Wire.GEMINI_GENERATE])),
        Route(models + "/{id}:streamGenerateContent", "POST", Governed(GEMINI_STREAM)),
        Route(models + "/{id}:countTokens", "POST", Governed(FORMATS[Wire.GEMINI_COUNT_TOKENS])),
        Route(models + "/{id}:embedContent", "POST", Governed(FORMATS[Wire.GEMINI_EMBED])),
        Route(models + "/{id}:batchEmbedContents", "POST", Governed(FORMATS[Wire.GEMINI_BATCH_EMBED])),
    )


ROUTES = (
    Route("/v1/chat/completions", "POST", Governed(FORMATS[Wire.OPENAI_CHAT])),
    Route("/v1/messages", "POST", Governed(FORMATS[Wire.ANTHROPIC_MESSAGES])),
    Route("/v1/messages/count_tokens", "POST", Governed(FORMATS[Wire.ANTHROPIC_COUNT_TOKENS])),
    *anthropic_jobs.ROUTES,
    *openai_files.ROUTES,
    *openai_batches.ROUTES,
    *background.ROUTES,
    *_gemini(MODELS),
    *_gemini(BETA_MODELS),
    Route(RESPONSES, "POST", Governed(FORMATS[Wire.OPENAI_RESPONSES])),
    Route(RESPONSES + "/input_tokens", "POST", Governed(FORMATS[Wire.OPENAI_INPUT_TOKENS])),
    Route("/v1/embeddings", "POST", Governed(FORMATS[Wire.OPENAI_EMBEDDINGS])),
    Route("/v1/moderations", "POST", Governed(FORMATS[Wire.OPENAI_MODERATIONS])),
    Route("/v1/images/generations", "POST", Governed(FORMATS[Wire.OPENAI_IMAGES])),
    Route("/v1/images/edits", "POST", Governed(FORMATS[Wire.OPENAI_IMAGE_EDITS])),
    Route("/v1/audio/speech", "POST", Governed(FORMATS[Wire.OPENAI_SPEECH])),
    Route("/v1/audio/transcriptions", "POST", Governed(FORMATS[Wire.OPENAI_TRANSCRIPTIONS])),
    Route("/v1/audio/translations", "POST", Governed(FORMATS[Wire.OPENAI_TRANSLATIONS])),
    Route(MODELS, "GET", list_models),
    Route(MODELS + "/{id}", "GET", show_model),
    Route(BETA_MODELS, "GET", list_models),
    Route(BETA_MODELS + "/{id}", "GET", show_model),
    Route("/healthz", "GET", healthz, is_logged=False),
    Route("/readyz", "GET", readyz, is_logged=False),
    Route("/metrics", "GET", metrics, is_logged=False),
)
