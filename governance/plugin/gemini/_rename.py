"""The vendor's name of a model, written wherever a body repeats the one in its address."""

import msgspec

from governance.plugin.gemini._embed import split_requests
from governance.plugin.provider import GoverningFields
from governance.plugin.splicing import splice

_BATCH = "requests"


def renamed(fields: GoverningFields, name: str) -> dict[str, object]:
    """Return the top-level fields to set so that no part of the body names the alias that the client called."""
    edits: dict[str, object] = {}
    named = {"model": f"models/{name}"}
    for holder, raw in fields.holders.items():
        if holder == "model":
            edits["model"] = named["model"]
        elif holder == _BATCH:
            parts = [splice(part, named) if b'"model"' in part else part for part in split_requests(raw)]
            edits[_BATCH] = msgspec.Raw(b"[%s]" % b",".join(parts))
        elif b'"model"' in raw:
            edits[holder] = msgspec.Raw(splice(raw, named))
    return edits
