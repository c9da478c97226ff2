"""OpenAI's files, as far as batches need them: `/v1/files`, with the purpose `batch`.

Every line is read and priced when the file is sent, so that a bad one is refused before the vendor has it. The file
itself is kept nowhere but there.
"""

from typing import Final

import msgspec

from governance.core.clock import utc_now
from governance.core.errors import BadRequest, Conflict, NotFound
from governance.gateway.app import Gateway, Route
from governance.gateway.errors import ReplyUnusable
from governance.gateway.exchange import JSON, Exchange
from governance.gateway.guarding import refuse_jobs
from governance.gateway.jobs.asker import Asker, asker_of
from governance.gateway.jobs.asking import Vendor, ask, pass_on, vendor_at
from governance.gateway.jobs.lines import Lines
from governance.gateway.jobs.listing import asked_of, limit_of
from governance.jobs.files import FileRow
from governance.jobs.hot import shown_text
from governance.plugin.errors import RequestInvalid, UsageUnreadable
from governance.plugin.forms import Form, NewFile, Part, written
from governance.plugin.jobs import FileAction, FileProvider, JobKind, takes_files
from governance.plugin.provider import ConnectionSettings, Upstream, Wire
from governance.plugin.splicing import Members
from governance.policy.snapshot import KeyPolicy, PolicySnapshot

FILES: Final = "/v1/files"
ENDPOINTS: Final = {
    "/v1/chat/completions": Wire.OPENAI_CHAT,
    "/v1/responses": Wire.OPENAI_RESPONSES,
    "/v1/embeddings": Wire.OPENAI_EMBEDDINGS,
}
_TEXTS: Final = ("purpose", "expires_after[anchor]", "expires_after[seconds]")
_LINE_FIELDS: Final = {"custom_id", "method", "url", "body"}
_MOST_LISTED: Final = 10_000

_text = msgspec.json.Decoder(str)


async def create(gateway: Gateway, exchange: Exchange) -> None:
    """POST /v1/files: read and price every line, and send the file on with the vendor's name of the model."""
    asker, body = await asker_of(gateway, exchange)
    form = Form(body, content_type=exchange.headers.get(b"content-type", b""))
    sent = _file_of(form)
    lines, content = await _read(gateway, exchange, asker, body[sent.start : sent.end])
    vendor = lines.vendor
    provider, settings = _files_at(vendor)
    texts = {name: text for name in _TEXTS if (text := form.text(name)) is not None}
    content_type, anew = written(texts, NewFile("file", sent.file_name or "batch.jsonl", "application/jsonl", content))
    upstream = _typed(provider.file_upstream(action=FileAction.CREATE, connection=settings), content_type)
    told = await ask(gateway, exchange, vendor, upstream, body=anew)
    if told.status == 200:
        quote = lines.first
        row = FileRow(
            id=0,
            connection_id=settings.id,
            deployment_id=quote.deployment.id,
            vendor_id=_id_of(provider, told.body),
            wire=quote.wire,
            alias=quote.fields.model,
            shown=shown_text(JobKind.OPENAI_BATCH, told.body),
            created_at=utc_now(),
            job_id=None,
            job_state=None,
        )
        await gateway.vendors.jobs.files.keep(team_id=asker.policy.team_id, row=row, lines=lines.kept)
    await exchange.respond(*told)


async def list_files(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/files: those that the team sent, newest first."""
    policy, _, _ = await gateway.identify(exchange)
    asked = asked_of(exchange)
    limit = limit_of(asked, usual=_MOST_LISTED, most=_MOST_LISTED)
    files = gateway.vendors.jobs.files
    after = asked.get("after")
    last = await files.find(team_id=policy.team_id, vendor_id=after) if after else None
    if after and last is None:
        raise _missing(policy, after)
    rows = await files.listed(
        team_id=policy.team_id, limit=limit + 1, before=last.created_at if last is not None else None
    )
    await exchange.respond(200, [JSON], page_of([(row.vendor_id, row.shown) for row in rows], limit=limit))


async def show(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/files/{id}: as its vendor describes it."""
    _, vendor, upstream = await _about(gateway, exchange, FileAction.READ)
    await exchange.respond(*await ask(gateway, exchange, vendor, upstream))


async def content(gateway: Gateway, exchange: Exchange) -> None:
    """GET /v1/files/{id}/content: what the vendor has, as it comes."""
    _, vendor, upstream = await _about(gateway, exchange, FileAction.CONTENT)
    await pass_on(gateway, exchange, vendor, upstream)


async def delete(gateway: Gateway, exchange: Exchange) -> None:
    """DELETE /v1/files/{id}: results only once what they cost is on the books."""
    file, vendor, upstream = await _about(gateway, exchange, FileAction.DELETE)
    if file.job_state not in (None, "ended"):
        raise Conflict(
            f"The file {file.vendor_id!r} holds results that are not settled yet: delete it a minute after its batch "
            "has ended."
        )
    told = await ask(gateway, exchange, vendor, upstream)
    if told.status == 200:
        await gateway.vendors.jobs.files.forget(file)
    await exchange.respond(*told)


def page_of(rows: list[tuple[str, str]], *, limit: int) -> bytes:
    """Return a page of OpenAI's lists: at most so many of these (id, description)."""
    page = rows[:limit]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [msgspec.Raw(shown.encode()) for _, shown in page],
            "first_id": page[0][0] if page else None,
            "last_id": page[-1][0] if page else None,
            "has_more": len(rows) > limit,
        }
    )


async def found_file(
    gateway: Gateway, policy: KeyPolicy, snapshot: PolicySnapshot, vendor_id: str
) -> tuple[FileRow, Vendor]:
    """Return the file of this name, if it is the team's. Raises as `find` does."""
    file = await gateway.vendors.jobs.files.find(team_id=policy.team_id, vendor_id=vendor_id)
    if file is None:
        raise _missing(policy, vendor_id)
    return file, vendor_at(snapshot, policy, connection_id=file.connection_id)


async def _about(gateway: Gateway, exchange: Exchange, action: FileAction) -> tuple[FileRow, Vendor, Upstream]:
    policy, snapshot, _ = await gateway.identify(exchange)
    if action is FileAction.CONTENT:
        refuse_jobs(policy.guards)
    file, vendor = await found_file(gateway, policy, snapshot, exchange.named)
    provider, settings = _files_at(vendor)
    return file, vendor, provider.file_upstream(action=action, connection=settings, file_id=file.vendor_id)


async def _read(gateway: Gateway, exchange: Exchange, asker: Asker, text: bytes) -> tuple[Lines, bytes]:
    """Read the lines of a file; return them, and the file as the vendor gets it."""
    lines: Lines | None = None
    kept = []
    url = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        members, name, asked_url = _line(line, number)
        if lines is None:
            url = asked_url
            lines = Lines(gateway, exchange, asker, kind=JobKind.OPENAI_BATCH, wire=ENDPOINTS[url])
        if asked_url != url:
            raise BadRequest(f"Line {number} is for {asked_url} and the first one for {url}: send a file for each.")
        body = bytes(members.values["body"])
        sent = await lines.add(name, body)
        kept.append(line if sent == body else members.splice({"body": msgspec.Raw(sent)}))
    if lines is None:
        raise BadRequest("The file holds no requests: send one on each line.")
    return lines, b"\n".join(kept) + b"\n"


def _line(line: bytes, number: int) -> tuple[Members, str, str]:
    """Return the fields of a line, its name, and where it goes. Raises BadRequest."""
    try:
        members = Members(line)
        if set(members.values) != _LINE_FIELDS:
            raise RequestInvalid("it must have the fields custom_id, method, url and body, and no others")
        name, method, url = (_text.decode(members.values[field]) for field in ("custom_id", "method", "url"))
        if method != "POST" or url not in ENDPOINTS:
            raise RequestInvalid(
                f"it must be a POST to {', '.join(ENDPOINTS)}, which is what batches are served for here"
            )
    except (RequestInvalid, msgspec.DecodeError) as error:
        raise BadRequest(f"Line {number} of the file is no request of a batch: {error}.") from error
    return members, name, url


def _file_of(form: Form) -> Part:
    unknown = next((name for name in form.names if name not in (*_TEXTS, "file")), None)
    if unknown is not None:
        raise BadRequest(f"The field {unknown[:64]!r} is not known here: remove it.")
    if form.text("purpose") != "batch":
        raise BadRequest(
            "Only files with the purpose 'batch' are taken, because nothing bounds what another one costs each time it "
            "is used: send images within the request, as data URLs, and the text of documents as text."
        )
    files = form.files("file")
    if len(files) != 1:
        raise BadRequest("The form must have one field 'file': send the lines of the batch in it.")
    return files[0]


def _files_at(vendor: Vendor) -> tuple[FileProvider, ConnectionSettings]:
    if not takes_files(vendor.provider):
        raise BadRequest(f"{vendor.provider.title} takes no files: send the requests one by one.")
    return vendor.provider, vendor.settings


def _typed(upstream: Upstream, content_type: str) -> Upstream:
    kept = [header for header in upstream.headers if header[0] != "content-type"]
    return msgspec.structs.replace(upstream, headers=(*kept, ("content-type", content_type)))


def _id_of(provider: FileProvider, body: bytes) -> str:
    try:
        return provider.read_file(body=body)
    except UsageUnreadable as error:
        raise ReplyUnusable(
            f"{provider.title} took the file and answered something that Bursar cannot read: send it again. Nothing is "
            "charged for it."
        ) from error


def _missing(policy: KeyPolicy, vendor_id: str) -> NotFound:
    return NotFound(
        f"The team {policy.team_name!r} has no file here that is named {vendor_id[:128]!r}: use the id that was "
        "answered when it was sent through Bursar, and a key of the team that sent it."
    )


ROUTES: Final = (
    Route(FILES, "POST", create, is_openais=True),
    Route(FILES, "GET", list_files, is_openais=True),
    Route(FILES + "/{id}", "GET", show, is_one_word=True, is_openais=True),
    Route(FILES + "/{id}", "DELETE", delete, is_one_word=True, is_openais=True),
    Route(FILES + "/{id}/content", "GET", content, is_one_word=True, is_openais=True),
)
