"""Responses in the background: `background: true` in `POST /v1/responses`, and `/v1/responses/{id}` for those alone."""

from typing import Final
from urllib.parse import parse_qsl

import msgspec

from governance.core.errors import BadRequest, Conflict
from governance.gateway.app import Gateway, Route
from governance.gateway.dialects import RESPONSES
from governance.gateway.exchange import Exchange
from governance.gateway.guarding import refuse_jobs
from governance.gateway.jobs.asker import Asker
from governance.gateway.jobs.asking import ask, ask_about, find
from governance.gateway.jobs.beginning import Beginning
from governance.gateway.jobs.lines import Lines
from governance.gateway.unserved import remedy
from governance.plugin.errors import RequestInvalid
from governance.plugin.jobs import ONLY_LINE, JobAction, JobKind
from governance.plugin.provider import Upstream, Wire

_KIND: Final = JobKind.OPENAI_BACKGROUND
_WIRE: Final = Wire.OPENAI_RESPONSES
_HINT: Final = f" {remedy(RESPONSES + '/')}"
_PASSED_QUERIES: Final = frozenset({"include", "include[]"})


async def begin(gateway: Gateway, exchange: Exchange, asker: Asker, body: bytes) -> None:
    """Hold what the reply can cost, and have it begun."""
    lines = Lines(gateway, exchange, asker, kind=_KIND, wire=_WIRE)
    sent = await lines.add_only(ONLY_LINE, body)
    provider, settings = lines.vendor
    upstream = provider.job_upstream(kind=_KIND, action=JobAction.CREATE, connection=settings)
    beginning = Beginning(gateway, exchange, kind=_KIND, wire=_WIRE)
    await exchange.respond(*await beginning.run(lines, policy=asker.policy, upstream=upstream, body=sent))


async def show(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/responses/{id}: as its vendor has it now."""
    asked = parse_qsl(exchange.query.decode("latin-1"), keep_blank_values=True)
    unknown = next((name for name, _ in asked if name not in _PASSED_QUERIES), None)
    if unknown is not None:
        raise RequestInvalid(
            f"The query {unknown[:64]!r} is not passed on, and a reply in the background is not streamed: ask for it "
            "without, until its status says that it is done."
        )
    await _about(gateway, exchange, JobAction.READ, query=exchange.query.decode("latin-1"))


async def cancel(gateway: Gateway, exchange: Exchange) -> None:
    """POST /v1/responses/{id}/cancel: what it used until then is settled if the vendor says it."""
    await _about(gateway, exchange, JobAction.CANCEL)


async def delete(gateway: Gateway, exchange: Exchange) -> None:
    """DELETE /v1/responses/{id}: once what it cost is on the books, and not before."""
    policy, snapshot, _ = await gateway.identify(exchange)
    job, vendor = await find(gateway, policy, snapshot, kind=_KIND, vendor_id=exchange.named, hint=_HINT)
    if job.state != "ended":
        raise Conflict(f"The response {job.vendor_id!r} is not settled yet: delete it a minute after it is done.")
    upstream = vendor.provider.job_upstream(
        kind=_KIND, action=JobAction.DELETE, connection=vendor.settings, job_id=job.vendor_id
    )
    await exchange.respond(*await ask(gateway, exchange, vendor, upstream))


async def _about(gateway: Gateway, exchange: Exchange, action: JobAction, *, query: str = "") -> None:
    policy, snapshot, _ = await gateway.identify(exchange)
    refuse_jobs(policy.guards)
    job, vendor = await find(gateway, policy, snapshot, kind=_KIND, vendor_id=exchange.named, hint=_HINT)
    upstream = vendor.provider.job_upstream(kind=_KIND, action=action, connection=vendor.settings, job_id=job.vendor_id)
    await exchange.respond(*await ask_about(gateway, exchange, job, vendor, _queried(upstream, query)))


def _queried(upstream: Upstream, query: str) -> Upstream:
    if not query:
        return upstream
    if not query.isascii() or not query.isprintable() or " " in query:
        raise BadRequest("The query holds letters that an address cannot: send it percent-encoded.")
    return msgspec.structs.replace(upstream, url=f"{upstream.url}?{query}")


ROUTES: Final = (
    Route(RESPONSES + "/{id}", "GET", show, is_one_word=True),
    Route(RESPONSES + "/{id}", "DELETE", delete, is_one_word=True),
    Route(RESPONSES + "/{id}/cancel", "POST", cancel, is_one_word=True),
)
