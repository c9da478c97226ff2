"""What decides the cost of a Gemini request for embeddings, alone or as a batch."""

import msgspec

from governance.plugin.errors import RequestInvalid
from governance.plugin.gemini._contents import NOTHING, Contents, read_contents
from governance.plugin.gemini._request import checked_model, repeated_model
from governance.plugin.gemini._spelling import Message
from governance.plugin.provider import GoverningFields
from governance.plugin.splicing import Members

MAX_REQUESTS = 1_000
"""A batch of more than this is refused: the API takes fewer, and every one costs time."""

_ONE = Message("the request", "model", "content", "taskType", "title", "outputDimensionality")
_BATCH = Message("the request", "model", "requests")

_requests = msgspec.json.Decoder(list[msgspec.Raw])


def embed_fields(members: Members, *, model: str) -> GoverningFields:
    """Read a request for one embedding. Raises RequestInvalid."""
    contents = _one(members.values, model=model)
    return _fields(members, contents, model=model, holders=repeated_model(members.values))


def batch_embed_fields(members: Members, *, model: str) -> GoverningFields:
    """Read a batch of requests for embeddings, each of which repeats the model's name. Raises RequestInvalid."""
    values = members.values
    _BATCH.spellings(values)
    checked_model(model, values)
    raw = bytes(values["requests"]) if "requests" in values else b"[]"
    contents = NOTHING
    for request in split_requests(raw):
        contents += _one(Members(request).values, model=model)
    if not contents.count:
        raise RequestInvalid("The request has nothing to embed: set the field 'requests'.", field="requests")
    return _fields(members, contents, model=model, holders={**repeated_model(values), "requests": raw})


def split_requests(raw: bytes) -> list[bytes]:
    """Return the requests of a batch, each as its own JSON. Raises RequestInvalid."""
    try:
        requests = _requests.decode(raw)
    except msgspec.DecodeError as error:
        raise RequestInvalid(
            f"The field 'requests' must be an array of requests ({error}).", field="requests"
        ) from error
    if len(requests) > MAX_REQUESTS:
        raise RequestInvalid(f"The batch has more than {MAX_REQUESTS} requests: split it.", field="requests")
    return [bytes(request) for request in requests]


def _one(values: dict[str, msgspec.Raw], *, model: str) -> Contents:
    spelt = _ONE.spellings(values)
    checked_model(model, values)
    if "content" not in spelt:
        raise RequestInvalid("The request has nothing to embed: set the field 'content'.", field="content")
    found = read_contents(bytes(values["content"]), field="content")
    title = len(bytes(values["title"])) if "title" in spelt else 0
    return found + Contents(text_bytes=title)


def _fields(members: Members, contents: Contents, *, model: str, holders: dict[str, bytes]) -> GoverningFields:
    return GoverningFields(
        model=model,
        stream=False,
        body_bytes=members.body_bytes,
        text_bytes=contents.text_bytes,
        messages=contents.count,
        max_output_tokens=0,
        remote_media=contents.remote_media,
        inline_media=contents.inline_media,
        holders=holders,
    )
