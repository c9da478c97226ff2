"""OpenAI's batches: `/v1/batches` and what is below it."""

from typing import Final

import msgspec

from governance.core.errors import BadRequest
from governance.gateway.app import Gateway, Route
from governance.gateway.exchange import JSON, Exchange
from governance.gateway.jobs.asker import asker_of
from governance.gateway.jobs.asking import ask_about, find
from governance.gateway.jobs.beginning import Beginning
from governance.gateway.jobs.lines import Lines
from governance.gateway.jobs.listing import asked_of, limit_of
from governance.gateway.jobs.openai_files import ENDPOINTS, found_file, page_of
from governance.plugin.errors import RequestInvalid
from governance.plugin.jobs import JobAction, JobKind
from governance.plugin.splicing import Members

BATCHES: Final = "/v1/batches"
_KIND: Final = JobKind.OPENAI_BATCH
_FIELDS: Final = frozenset({"input_file_id", "endpoint", "completion_window", "metadata"})
_MOST_LISTED: Final = 100
_USUALLY_LISTED: Final = 20

_text = msgspec.json.Decoder(str)


async def create(gateway: Gateway, exchange: Exchange) -> None:
    """POST /v1/batches: hold what all lines of the file can cost, and begin."""
    asker, body = await asker_of(gateway, exchange)
    members = Members(body)
    unknown = next((name for name in members.values if name not in _FIELDS), None)
    if unknown is not None:
        raise RequestInvalid(f"The field {unknown[:64]!r} is not known in a batch: remove it.", field=unknown[:64])
    file, vendor = await found_file(gateway, asker.policy, asker.snapshot, _value(members, "input_file_id"))
    endpoint = _value(members, "endpoint")
    wire = ENDPOINTS.get(endpoint)
    if not file.wire or wire != file.wire:
        raise BadRequest(
            f"The file {file.vendor_id!r} has no requests for {endpoint[:64]!r}: name the endpoint that its lines "
            "name, or a file that was sent through Bursar for a batch."
        )
    lines = Lines(gateway, exchange, asker, kind=_KIND, wire=wire)
    await lines.take(await gateway.vendors.jobs.files.lines(file), model=file.alias, deployment_id=file.deployment_id)
    upstream = vendor.provider.job_upstream(kind=_KIND, action=JobAction.CREATE, connection=vendor.settings)
    beginning = Beginning(gateway, exchange, kind=_KIND, wire=wire)
    await exchange.respond(*await beginning.run(lines, policy=asker.policy, upstream=upstream, body=body))


async def list_batches(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/batches: the team's, newest first, as each was seen last."""
    policy, snapshot, _ = await gateway.identify(exchange)
    asked = asked_of(exchange)
    limit = limit_of(asked, usual=_USUALLY_LISTED, most=_MOST_LISTED)
    after = asked.get("after")
    last = (await find(gateway, policy, snapshot, kind=_KIND, vendor_id=after))[0] if after else None
    rows = await gateway.vendors.jobs.listed(
        team_id=policy.team_id, kind=_KIND, limit=limit + 1, before=last.created_at if last is not None else None
    )
    await exchange.respond(200, [JSON], page_of([(row.vendor_id, row.shown) for row in rows], limit=limit))


async def show(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/batches/{id}: as its vendor describes it now."""
    await _about(gateway, exchange, JobAction.READ)


async def cancel(gateway: Gateway, exchange: Exchange) -> None:
    """POST /v1/batches/{id}/cancel: what has not begun will not run; what ran is settled."""
    await _about(gateway, exchange, JobAction.CANCEL)


async def _about(gateway: Gateway, exchange: Exchange, action: JobAction) -> None:
    policy, snapshot, _ = await gateway.identify(exchange)
    job, vendor = await find(gateway, policy, snapshot, kind=_KIND, vendor_id=exchange.named)
    upstream = vendor.provider.job_upstream(kind=_KIND, action=action, connection=vendor.settings, job_id=job.vendor_id)
    await exchange.respond(*await ask_about(gateway, exchange, job, vendor, upstream))


def _value(members: Members, name: str) -> str:
    try:
        return _text.decode(members.values[name])
    except (KeyError, msgspec.DecodeError) as error:
        raise RequestInvalid(f"A batch needs the field {name!r}, a string.", field=name) from error


ROUTES: Final = (
    Route(BATCHES, "POST", create, is_openais=True),
    Route(BATCHES, "GET", list_batches, is_openais=True),
    Route(BATCHES + "/{id}", "GET", show, is_one_word=True, is_openais=True),
    Route(BATCHES + "/{id}/cancel", "POST", cancel, is_one_word=True, is_openais=True),
)
