"""What clients of a vendor's API may look for here and not find: why, and what to do instead."""

from typing import Final

_STORED: Final = (
    "Bursar keeps nothing at vendors for later requests, because nothing bounds what that costs each time that it is "
    "used: send images within the request, as data URLs or by value, and the text of documents as text."
)
_UNSERVED: Final = {
    "/v1/responses/": "Bursar serves POST /v1/responses and POST /v1/responses/input_tokens, and what was begun in the "
    "background: another stored response cannot be fetched, cancelled, compacted or deleted through it. Take the "
    "answer from the reply itself, as a stream if it is long, and send the whole conversation each time.",
    "/v1/images/variations": "Bursar serves no variations of images, which only retired models made: send the image "
    "with a prompt to POST /v1/images/edits.",
    "/v1/uploads": f"{_STORED} Files for batches are sent whole to POST /v1/files with the purpose 'batch'.",
    "/v1/vector_stores": _STORED,
    "/v1/containers": _STORED,
    "/upload/v1": _STORED,
    "/v1beta/files": _STORED,
    "/v1beta/cachedContents": _STORED,
    "/v1/cachedContents": _STORED,
    "/v1/conversations": "Bursar serves no stored conversations, because what they bring into a request has no bound: "
    "send the whole conversation in the field 'input' of POST /v1/responses.",
}


def remedy(path: str) -> str | None:
    """Return a sentence for who asked for this path; None where there is nothing to say of it."""
    return next((sentence for start, sentence in _UNSERVED.items() if path.startswith(start)), None)
