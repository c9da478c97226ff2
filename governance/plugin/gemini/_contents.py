"""What stands in the contents of a Gemini request: how many messages, and which media."""

import msgspec

from governance.plugin.errors import RequestInvalid
from governance.plugin.gemini._spelling import Message, messages, tree

_CONTENT = Message("a content", "parts", "role")
_PART = Message(
    "a part",
    "text",
    "thought",
    "thoughtSignature",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "inlineData",
    "fileData",
    "videoMetadata",
    "mediaResolution",
    "mediaProcessing",
    "partMetadata",
    "speechMetadata",
    "documentMetadata",
    "spreadsheetMetadata",
    "audioMetadata",
)
_FUNCTION_RESPONSE = Message("a function's response", "id", "name", "response", "parts", "willContinue", "scheduling")
_RESPONSE_PART = Message("a part of a function's response", "inlineData", "fileData", "mediaResolution")
_BLOB = Message("inline data", "mimeType", "data", "displayName")
_RESOLUTION = Message("a media resolution", "level", "numTokens")
_IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """`text_bytes` is the length in UTF-8 of the parts that are text; media are counted by value and by reference.

    `images` says how many of those by value are images, `media_bytes` how many bytes all of them take in the body.
    """

    count: int = 0
    text_bytes: int = 0
    inline_media: int = 0
    remote_media: int = 0
    images: int = 0
    media_bytes: int = 0

    def __add__(self, other: "Contents") -> "Contents":
        return Contents(
            count=self.count + other.count,
            text_bytes=self.text_bytes + other.text_bytes,
            inline_media=self.inline_media + other.inline_media,
            remote_media=self.remote_media + other.remote_media,
            images=self.images + other.images,
            media_bytes=self.media_bytes + other.media_bytes,
        )


NOTHING = Contents()


def read_contents(raw: bytes, *, field: str) -> Contents:
    """Read one content or an array of them. Raises RequestInvalid."""
    return contents_of(tree(raw, field=field), field=field)


def contents_of(value: object, *, field: str) -> Contents:
    """Read contents that are decoded already. Raises RequestInvalid."""
    found = NOTHING
    for content in messages(value, field=field, form="a content, or an array of contents, with parts"):
        spelt = _CONTENT.spellings(content, field=field)
        parts = messages(
            content[spelt["parts"]] if "parts" in spelt else None,
            field=field,
            form="contents whose parts are objects, such as {'text': ...}",
        )
        found += sum((_part(part, field=field) for part in parts), Contents(count=1))
    return found


def _part(part: dict[str, object], *, field: str) -> Contents:
    spelt = _PART.spellings(part, field=field)
    text = part[spelt["text"]] if "text" in spelt else None
    if text is not None and not isinstance(text, str):
        raise RequestInvalid(f"The field {field!r} holds a text that is not a string.", field=field)
    found = _media(part, spelt, field=field)
    if text:
        found += Contents(text_bytes=len(text.encode("utf-8", "surrogatepass")))
    if "functionResponse" in spelt:
        found += _function_response(part[spelt["functionResponse"]], field=field)
    return found


def _function_response(value: object, *, field: str) -> Contents:
    """A function may answer with media: its parts hold nothing else."""
    found = NOTHING
    for response in messages(value, field=field, form="contents whose function responses are objects"):
        spelt = _FUNCTION_RESPONSE.spellings(response, field=field)
        media = messages(
            response[spelt["parts"]] if "parts" in spelt else None,
            field=field,
            form="contents whose function responses have objects as parts",
        )
        for part in media:
            found += _media(part, _RESPONSE_PART.spellings(part, field=field), field=field)
    return found


def _media(part: dict[str, object], spelt: dict[str, str], *, field: str) -> Contents:
    values = {name: part[spelling] for name, spelling in spelt.items()}
    for resolution in messages(values.get("mediaResolution"), field=field, form="contents with levels of resolution"):
        if "numTokens" in _RESOLUTION.spellings(resolution, field=field):
            raise RequestInvalid(
                "The field 'numTokens' asks for a number of tokens of its own: name a 'level' of resolution instead.",
                field=field,
            )
    found = Contents(remote_media=int(values.get("fileData") is not None))
    for blob in messages(values.get("inlineData"), field=field, form="contents whose inline data are objects"):
        names = _BLOB.spellings(blob, field=field)
        data = blob[names["data"]] if "data" in names else ""
        kind = blob[names["mimeType"]] if "mimeType" in names else ""
        found += Contents(
            inline_media=1,
            images=int(kind in _IMAGES),
            media_bytes=len(data) if isinstance(data, str) and data.isascii() else 0,
        )
    return found
