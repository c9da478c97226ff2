"""Reads the lines of a job as single calls are read: same fields, same models, same prices, same guards.

The first line decides which model runs all of them, and where.
"""

import asyncio
import time
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
from governance.gateway.pricing import Quote, body_edits, claim, quote_of
from governance.gateway.resolve import resolve
from governance.metering.durable import DurableClaim, Line
from governance.plugin.errors import RequestInvalid, RequestUnbounded
from governance.plugin.jobs import JobKind, takes_jobs
from governance.plugin.provider import GoverningFields, Wire
from governance.plugin.splicing import Members
from governance.policy.snapshot import DeploymentPolicy

MOST_LINES: Final = 50_000
LONGEST_NAME: Final = 64
_LINES_AT_ONCE: Final = 20
"""So many are read before other requests have their turn."""


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
        self._reserved: dict[str, int] = {}
        self.tokens = 0
        """How many tokens all lines together can use at most."""
        if asker.policy.guards is not None:
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
        number = len(self._reserved) + 1
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

    def claim(self) -> DurableClaim:
        """Return the wish to reserve what all lines can cost. Raises BadRequest for more than a budget can hold."""
        make, at = self._gateway.identifiers, time.time_ns() // 1_000_000
        total = sum(self._reserved.values())
        if total > MAX_NANO:
            raise BadRequest("The batch could cost more than any budget can hold: split it, or lower its maximums.")
        one = claim(
            quote=self.first,
            policy=self._asker.policy,
            tags=self._asker.tags,
            attempt_id=make(at),
            request_id=self._exchange.request_id,
        )
        return DurableClaim(
            claim=msgspec.structs.replace(one, want_nano=total, least_nano=total),
            lines=[Line(name, make(at), nano) for name, nano in self._reserved.items()],
        )

    def _check_name(self, name: str) -> None:
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise BadRequest(f"Its custom_id must have 1 to {LONGEST_NAME} printable characters.")
        if name in self._reserved:
            raise BadRequest("Its custom_id stands twice in the batch: give every request one of its own.")
        if len(self._reserved) >= MOST_LINES:
            raise BadRequest(f"The batch has more than {MOST_LINES} requests: send several batches.")

    async def _add(self, name: str, body: bytes) -> bytes:
        members = Members(body)
        fields = FORMATS[self._wire].read(members, self._exchange)
        if fields.stream:
            raise RequestInvalid("It asks for a stream, which a batch has none of: leave 'stream' out.", field="stream")
        deployment = self._resolved(fields.model)
        guards = self._asker.policy.guards
        if guards is not None:
            passed = await self._gateway.vendors.guards.request(members, guards, self._exchange)
            if passed is not body:
                members = Members(passed)
                fields = FORMATS[self._wire].read(members, self._exchange)
        quoted = self._quoted(deployment, fields)
        self._reserved[name] = quoted.worst.nano(quoted.maximum)
        self.tokens += quoted.tokens(quoted.maximum)
        self._first = self._first or quoted
        return members.splice(body_edits(quoted, quoted.maximum))

    def _resolved(self, model: str) -> DeploymentPolicy:
        """Return where this model runs in jobs. Raises what `resolve` does, or BadRequest."""
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
            if self._wire in deployment.upstreams and takes_jobs(provider) and self._kind in provider.job_kinds:
                self._model = self._exchange.facts.alias = model
                self._vendor = Vendor(provider, deployment.connection)
                self._deployment = deployment
                return deployment
        raise BadRequest(
            f"The model {model!r} is not served in batches here: send its requests one by one, or name another model."
        )

    def _quoted(self, deployment: DeploymentPolicy, fields: GoverningFields) -> Quote:
        provider, settings = self.vendor
        try:
            bound = provider.line_bound(kind=self._kind, wire=self._wire, connection=settings, fields=fields)
        except RequestUnbounded as error:
            raise RequestUnpriced(str(error)) from error
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
