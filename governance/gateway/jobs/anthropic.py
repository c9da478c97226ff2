"""Anthropic's message batches: `/v1/messages/batches` and what is below it."""

from typing import Final

import msgspec

from governance.core.errors import BadRequest, Conflict
from governance.gateway.app import Gateway, Route
from governance.gateway.exchange import JSON, Exchange
from governance.gateway.formats import FORMATS, NOTHING_PASSED
from governance.gateway.guarding import refuse_jobs
from governance.gateway.jobs.asker import asker_of
from governance.gateway.jobs.asking import Told, Vendor, ask, ask_about, find, pass_on
from governance.gateway.jobs.beginning import Beginning
from governance.gateway.jobs.lines import Lines
from governance.gateway.jobs.listing import asked_of, limit_of
from governance.jobs.hot import JobRow
from governance.plugin.errors import RequestInvalid
from governance.plugin.jobs import JobAction, JobKind
from governance.plugin.provider import Upstream, Wire
from governance.plugin.splicing import Members

BATCHES: Final = "/v1/messages/batches"
_KIND: Final = JobKind.ANTHROPIC_BATCH
_WIRE: Final = Wire.ANTHROPIC_MESSAGES
_MOST_LISTED: Final = 1000
_USUALLY_LISTED: Final = 20

_raw_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)


async def create(gateway: Gateway, exchange: Exchange) -> None:
    """POST /v1/messages/batches: price every request, hold their sum, and send them on together."""
    asker, body = await asker_of(gateway, exchange)
    lines = Lines(gateway, exchange, asker, kind=_KIND, wire=_WIRE)
    requests = [await _request(lines, item) for item in _items(body)]
    vendor = lines.vendor
    upstream = _addressed(exchange, vendor, JobAction.CREATE)
    beginning = Beginning(gateway, exchange, kind=_KIND, wire=_WIRE)
    sent = b'{"requests":[' + b",".join(requests) + b"]}"
    told = await beginning.run(lines, policy=asker.policy, upstream=upstream, body=sent)
    await _respond(exchange, told)


async def list_batches(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/messages/batches: the team's, newest first, as each was seen last."""
    policy, _, _ = await gateway.identify(exchange)
    asked = asked_of(exchange)
    limit = limit_of(asked, usual=_USUALLY_LISTED, most=_MOST_LISTED)
    jobs, team = gateway.vendors.jobs, policy.team_id

    async def made_at(name: str) -> JobRow | None:
        vendor_id = asked.get(name)
        found = await jobs.find(team_id=team, kind=_KIND, vendor_id=vendor_id) if vendor_id else None
        if vendor_id and found is None:
            raise BadRequest(f"There is no batch named {vendor_id[:128]!r}: give {name} the id of one that was listed.")
        return found

    older_than, newer_than = await made_at("after_id"), await made_at("before_id")
    rows = await jobs.listed(
        team_id=team,
        kind=_KIND,
        limit=limit + 1,
        before=older_than.created_at if older_than else None,
        after=newer_than.created_at if newer_than else None,
    )
    has_more = len(rows) > limit
    page = rows[-limit:] if newer_than else rows[:limit]
    listed = {
        "data": [msgspec.Raw(_shown(row.shown.encode())) for row in page],
        "has_more": has_more,
        "first_id": page[0].vendor_id if page else None,
        "last_id": page[-1].vendor_id if page else None,
    }
    await exchange.respond(200, [JSON], msgspec.json.encode(listed))


async def show(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/messages/batches/{id}: as its vendor describes it now."""
    await _about(gateway, exchange, JobAction.READ)


async def cancel(gateway: Gateway, exchange: Exchange) -> None:
    """POST /v1/messages/batches/{id}/cancel: what has not begun will not run; what ran is settled."""
    await _about(gateway, exchange, JobAction.CANCEL)


async def delete(gateway: Gateway, exchange: Exchange) -> None:
    """DELETE /v1/messages/batches/{id}: once what it cost is on the books, and not before."""
    policy, snapshot, _ = await gateway.identify(exchange)
    job, vendor = await find(gateway, policy, snapshot, kind=_KIND, vendor_id=exchange.named)
    if job.state != "ended":
        raise Conflict(
            f"The batch {job.vendor_id!r} is not settled yet, for which its results are needed: delete it a minute "
            "after it has ended."
        )
    told = await ask(gateway, exchange, vendor, _addressed(exchange, vendor, JobAction.DELETE, job.vendor_id))
    await exchange.respond(*told)


async def results(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/messages/batches/{id}/results: the vendor's lines, as they come."""
    policy, snapshot, _ = await gateway.identify(exchange)
    refuse_jobs(policy.guards)
    job, vendor = await find(gateway, policy, snapshot, kind=_KIND, vendor_id=exchange.named)
    upstream = vendor.provider.results_upstream(
        kind=_KIND, connection=vendor.settings, job_id=job.vendor_id, results="results"
    )
    await pass_on(gateway, exchange, vendor, _passed(exchange, upstream))


async def _about(gateway: Gateway, exchange: Exchange, action: JobAction) -> None:
    policy, snapshot, _ = await gateway.identify(exchange)
    job, vendor = await find(gateway, policy, snapshot, kind=_KIND, vendor_id=exchange.named)
    upstream = _addressed(exchange, vendor, action, job.vendor_id)
    await _respond(exchange, await ask_about(gateway, exchange, job, vendor, upstream))


async def _respond(exchange: Exchange, told: Told) -> None:
    await exchange.respond(told.status, told.headers, _shown(told.body) if told.status == 200 else told.body)


def _shown(body: bytes) -> bytes:
    """Return a batch as its client gets it: the results are here, not at the vendor, whose key the client has not."""
    try:
        members = Members(body)
        address, vendor_id = members.values.get("results_url"), members.values.get("id")
        if address is None or bytes(address) == b"null" or vendor_id is None:
            return body
        return members.splice({"results_url": f"{BATCHES}/{_text.decode(vendor_id)}/results"})
    except (RequestInvalid, msgspec.DecodeError):
        return body


def _items(body: bytes) -> list[msgspec.Raw]:
    members = Members(body)
    unknown = next((name for name in members.values if name != "requests"), None)
    if unknown is not None:
        raise RequestInvalid(f"The field {unknown[:64]!r} is not known in a batch: remove it.", field=unknown[:64])
    try:
        return _raw_items.decode(members.values.get("requests", msgspec.Raw(b"[]")))
    except msgspec.DecodeError as error:
        raise RequestInvalid("The field 'requests' must be an array of requests.", field="requests") from error


async def _request(lines: Lines, item: msgspec.Raw) -> bytes:
    """Read one request of a batch; return it as the vendor gets it."""
    members = Members(bytes(item))
    if set(members.values) != {"custom_id", "params"}:
        raise RequestInvalid(
            "Every request of a batch has the fields 'custom_id' and 'params', and no others.", field="requests"
        )
    try:
        name = _text.decode(members.values["custom_id"])
    except msgspec.DecodeError as error:
        raise RequestInvalid("A custom_id must be a string.", field="requests") from error
    params = bytes(members.values["params"])
    sent = await lines.add(name, params)
    return bytes(item) if sent == params else members.splice({"params": msgspec.Raw(sent)})


def _addressed(exchange: Exchange, vendor: Vendor, action: JobAction, vendor_id: str = "") -> Upstream:
    upstream = vendor.provider.job_upstream(kind=_KIND, action=action, connection=vendor.settings, job_id=vendor_id)
    return _passed(exchange, upstream)


def _passed(exchange: Exchange, upstream: Upstream) -> Upstream:
    passed = FORMATS[_WIRE].passed(exchange)
    return upstream if passed is NOTHING_PASSED else passed.addressed(upstream, is_stream=False)


ROUTES: Final = (
    Route(BATCHES, "POST", create),
    Route(BATCHES, "GET", list_batches),
    Route(BATCHES + "/{id}", "GET", show, is_one_word=True),
    Route(BATCHES + "/{id}", "DELETE", delete, is_one_word=True),
    Route(BATCHES + "/{id}/results", "GET", results, is_one_word=True),
    Route(BATCHES + "/{id}/cancel", "POST", cancel, is_one_word=True),
)
