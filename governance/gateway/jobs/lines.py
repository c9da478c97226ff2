"""Reads the lines of a job as single calls are read: same fields, same models, same prices, same guards.

The first line decides which model runs all of them, and where.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from governance.core.errors import BadRequest, BursarError, RequestUnpriced
from governance.core.money import MAX_NANO
from governance.gateway.app import Gateway
from governance.gateway.exchange import Exchange
from governance.gateway.formats import FORMATS
from governance.gateway.guarding import refuse_jobs
from governance.gateway.jobs.asker import Asker
from governance.gateway.jobs.asking import Vendor
from governance.gateway.pricing import Quote, body_edits, claim, quote_of, with_media_bounds
from governance.gateway.resolve import resolve
from governance.jobs.files import KeptLine
from governance.metering.durable import DurableClaim, Line
from governance.plugin.errors import RequestInvalid, RequestUnbounded
from governance.plugin.jobs import JobKind, takes_jobs
from governance.plugin.provider import Bound, GoverningFields, Wire
from governance.policy.snapshot import DeploymentPolicy

MOST_LINES: Final = 50_000
LONGEST_NAME: Final = 64
_TITLES: Final = {
    JobKind.ANTHROPIC_BATCH: "batches",
    JobKind.OPENAI_BATCH: "batches",
    JobKind.OPENAI_BACKGROUND: "background replies",
}
_LINES_AT_ONCE: Final = 10
"""So many are read before other requests have their turn."""
_NAMED_AT_ONCE: Final = 1_000


class Lines:
    """The lines of one job as they are added: their names, their worst cases, and where they will run."""

    def __init__(self, gateway: Gateway, exchange: Exchange, asker: Asker, *, kind: JobKind, wire: Wire) -> None:
        """Raises RequestInvalid where guards would have to look at the answers, which nobody passes on."""
        self._gateway = gateway
        self._exchange = exchange
        self._asker = asker
        self._kind = kind
        self._wire = wire
        self._model = ""
        self._deployment: DeploymentPolicy | None = None
        self._vendor: Vendor | None = None
        self._first: Quote | None = None
        self._names: set[str] = set()
        self._reserved: list[int] = []
        self.kept: list[KeptLine] = []
        """What bounds the cost of each line."""
        self.tokens = 0
        """How many tokens all lines together can use at most."""
        refuse_jobs(asker.policy.guards)

    @property
    def first(self) -> Quote:
        """The quote of the first line. Raises BadRequest where there is none."""
        if self._first is None:
            raise BadRequest("The batch holds no requests: send at least one.")
        return self._first

    @property
    def vendor(self) -> Vendor:
        """Where they will run. Raises BadRequest where there is no line."""
        if self._vendor is None:
            raise BadRequest("The batch holds no requests: send at least one.")
        return self._vendor

    async def add(self, name: str, body: bytes) -> bytes:
        """Read and price one line; return its body as the vendor gets it. A refusal says which line it is about.

        Raises RequestInvalid or BursarError.
        """
        number = len(self.kept) + 1
        if number % _LINES_AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            self._check_name(name)
            return await self._add(name, body)
        except RequestInvalid as refusal:
            raise RequestInvalid(_about(number, name, str(refusal)), field=refusal.field) from refusal
        except BursarError as refusal:
            refusal.message = _about(number, name, refusal.message)
            raise

    async def add_only(self, name: str, body: bytes) -> bytes:
        """Read and price the only line of a job, which clients know by no name; return its body as the vendor gets it.

        Raises RequestInvalid or BursarError.
        """
        return await self._add(name, body)

    async def take(self, kept: Sequence[KeptLine], *, model: str, deployment_id: int | None) -> None:
        """Take the lines of a file, which were read when it was sent, at the prices of now.

        Raises BadRequest when the model runs elsewhere now, or BursarError when it may not be called any more.
        """
        deployment = self._resolved(model, deployment_id=deployment_id)
        for number, line in enumerate(kept):
            if number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
            fields = GoverningFields(
                model=model, stream=False, body_bytes=0, messages=0, max_output_tokens=line.maximum
            )
            self._keep(line, self._priced(deployment, fields, line.bound))

    async def claim(self) -> DurableClaim:
        """Return the wish to reserve what all lines can cost. Raises BadRequest for more than a budget can hold."""
        make, at = self._gateway.identifiers, time.time_ns() // 1_000_000
        total = sum(self._reserved)
        if total > MAX_NANO:
            raise BadRequest("The batch could cost more than any budget can hold: split it, or lower its maximums.")
        one = claim(
            quote=self.first,
            policy=self._asker.policy,
            tags=self._asker.tags,
            attempt_id=make(at),
            request_id=self._exchange.request_id,
        )
        lines = []
        for number, (line, nano) in enumerate(zip(self.kept, self._reserved, strict=True)):
            if number % _NAMED_AT_ONCE == 0:
                await asyncio.sleep(0)
            lines.append(Line(line.name, make(at), nano))
        return DurableClaim(claim=msgspec.structs.replace(one, want_nano=total, least_nano=total), lines=lines)

    def _check_name(self, name: str) -> None:
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise BadRequest(f"Its custom_id must have 1 to {LONGEST_NAME} printable characters.")
        if name in self._names:
            raise BadRequest("Its custom_id stands twice in the batch: give every request one of its own.")
        if len(self._names) >= MOST_LINES:
            raise BadRequest(f"The batch has more than {MOST_LINES} requests: send several batches.")

    async def _add(self, name: str, body: bytes) -> bytes:
        members, fields = FORMATS[self._wire].opened(body, self._exchange)
        if fields.stream:
            what = _TITLES[self._kind]
            raise RequestInvalid(f"It asks for a stream, and {what} have none: leave 'stream' out.", field="stream")
        if fields.background and self._kind is not JobKind.OPENAI_BACKGROUND:
            raise RequestInvalid("A batch is in the background as it is: leave 'background' out.", field="background")
        deployment = self._resolved(fields.model)
        guards = self._asker.policy.guards
        if guards is not None:
            passed = await self._gateway.vendors.guards.request(members, guards, self._exchange)
            if passed is not body:
                members, fields = FORMATS[self._wire].opened(passed, self._exchange)
        quoted = self._quoted(deployment, fields)
        self._keep(KeptLine(name, quoted.maximum, quoted.bound), quoted)
        return members.splice(body_edits(quoted, quoted.maximum))

    def _keep(self, line: KeptLine, quoted: Quote) -> None:
        self._names.add(line.name)
        self.kept.append(line)
        self._reserved.append(quoted.worst_nano if quoted.deployment.is_charged else 0)
        self.tokens += quoted.tokens(quoted.maximum)
        self._first = self._first or quoted

    def _resolved(self, model: str, *, deployment_id: int | None = None) -> DeploymentPolicy:
        """Return where this model runs in jobs, or there alone. Raises what `resolve` does, or BadRequest."""
        if self._deployment is not None:
            if model != self._model:
                raise BadRequest(
                    f"It names the model {model[:256]!r} and the first one {self._model!r}: one batch has one model. "
                    "Send a batch for each."
                )
            return self._deployment
        asker = self._asker
        _, deployments = resolve(name=model, wire=self._wire, policy=asker.policy, snapshot=asker.snapshot, at=asker.at)
        for deployment in deployments:
            provider = deployment.provider
            if deployment_id not in (None, deployment.id):
                continue
            if self._wire in deployment.upstreams and takes_jobs(provider) and self._kind in provider.job_kinds:
                self._model = self._exchange.facts.alias = model
                self._vendor = Vendor(provider, deployment.connection)
                self._deployment = deployment
                return deployment
        if deployment_id is not None:
            raise BadRequest(f"The model {model!r} runs elsewhere since the file was sent: send the file again.")
        raise BadRequest(
            f"The model {model!r} is not served in {_TITLES[self._kind]} here: send its requests one by one, as single "
            "calls, or name another model."
        )

    def _quoted(self, deployment: DeploymentPolicy, fields: GoverningFields) -> Quote:
        provider, settings = self.vendor
        fields = with_media_bounds(fields, deployment)
        try:
            bound = provider.line_bound(kind=self._kind, wire=self._wire, connection=settings, fields=fields)
        except RequestUnbounded as error:
            raise RequestUnpriced(str(error)) from error
        return self._priced(deployment, fields, bound)

    def _priced(self, deployment: DeploymentPolicy, fields: GoverningFields, bound: Bound) -> Quote:
        return quote_of(
            bound,
            wire=self._wire,
            deployment=deployment,
            fields=fields,
            default_maximum=self._asker.policy.default_max_output_tokens,
            card=deployment.model.rates.card_at(self._asker.at),
        )


def _about(number: int, name: str, sentence: str) -> str:
    return f"Request {number} ({name[:LONGEST_NAME]}): {sentence}"
