"""Reads the turns of a Gemini conversation."""

from collections.abc import Iterable

import msgspec

from governance.gateway.translation import normal
from governance.gateway.translation.canonical import (
    Dialect,
    InlineImage,
    LinkedImage,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from governance.gateway.translation.gemini import proofs
from governance.gateway.translation.gemini import request as wire
from governance.gateway.translation.gemini.spelling import respelt
from governance.gateway.translation.images import inline_image
from governance.gateway.translation.reading import decoded, given, unsayable
from governance.plugin.errors import RequestInvalid

_FIELD = "contents"
_part = msgspec.json.Decoder(wire.Part)
_blob = msgspec.json.Decoder(wire.Blob)
_file = msgspec.json.Decoder(wire.FileData)
_call = msgspec.json.Decoder(wire.FunctionCall)
_response = msgspec.json.Decoder(wire.FunctionResponse)
_response_part = msgspec.json.Decoder(wire.ResponsePart)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_string = msgspec.json.Decoder(str)
_STORED = ("https://generativelanguage.googleapis.com/", "gs://")


def texts_of(content: wire.Content, *, field: str) -> list[str]:
    """Return the texts of an instruction. Raises RequestInvalid when it holds something else."""
    parts = [decoded(respelt(raw, field=field), _part, field=field) for raw in content.parts]
    if any(part.text is None for part in parts):
        raise unsayable("parts", "an instruction can only be text", within=field)
    return [part.text for part in parts if part.text]


def messages_of(contents: Iterable[wire.Content]) -> tuple[Message, ...]:
    """Return the turns. A call without an id gets one; a result without an id is of the first call of that name that
    has none yet.
    """
    reader = _Reader()
    turns: list[wire.Content] = []
    for content in contents:
        # A client that collects a stream sends an answer back as one content for each of its chunks.
        if turns and turns[-1].role == content.role:
            turns[-1] = wire.Content(turns[-1].parts + content.parts, content.role)
        else:
            turns.append(content)
    return normal.messages([reader.message(turn) for turn in turns])


class _Reader:
    def __init__(self) -> None:
        self._waiting: list[ToolCall] = []
        self._calls = 0

    def message(self, content: wire.Content) -> Message:
        parts = [decoded(respelt(raw, field=_FIELD), _part, field=_FIELD) for raw in content.parts]
        if content.role == "model":
            return Message(Role.ASSISTANT, self._answer(parts))
        if content.role == "system":
            raise unsayable("role", "send 'systemInstruction' instead", within=_FIELD)
        return Message(Role.USER, tuple(self._given(part) for part in parts))

    def _answer(self, parts: Iterable[wire.Part]) -> tuple[Part, ...]:
        """Read an earlier answer. A thought may come in pieces, of which the last is signed."""
        read: list[Part] = []
        unsigned: Reasoning | None = None
        for part in parts:
            said = self._said(part)
            if unsigned is not None and part.thought and isinstance(said[0], Reasoning):
                read.pop()
                said[0] = msgspec.structs.replace(said[0], text=unsigned.text + said[0].text)
            read += said
            last = said[-1]
            unsigned = last if isinstance(last, Reasoning) and part.thought and not part.thought_signature else None
        return tuple(read)

    def _said(self, part: wire.Part) -> list[Part]:
        """Read a part of an answer. A signature stands on the part it belongs to: right before a call, after a text."""
        proof = part.thought_signature
        if part.thought:
            return [proofs.unmarked(proof, part.text or "") if proof else Reasoning(part.text or "", Dialect.GEMINI)]
        signed = [proofs.unmarked(proof, "")] if proof and proof != proofs.UNSIGNED else []
        if given(part.function_call) is not None:
            return [*signed, self._call(part.function_call)]
        return [Text(part.text) if part.text is not None else _image(part), *signed]

    def _call(self, raw: msgspec.Raw) -> ToolCall:
        sent = decoded(respelt(raw, field=_FIELD), _call, field=_FIELD)
        arguments = "{}" if given(sent.args) is None else bytes(sent.args).decode()
        self._calls += 1
        call = ToolCall(sent.id or f"call_{self._calls}", sent.name, arguments)
        self._waiting.append(call)
        return call

    def _given(self, part: wire.Part) -> Part:
        if given(part.function_response) is not None:
            return self._result(part.function_response)
        return Text(part.text) if part.text is not None else _image(part)

    def _result(self, raw: msgspec.Raw) -> ToolResult:
        sent = decoded(respelt(raw, field=_FIELD), _response, field=_FIELD)
        matching = [call for call in self._waiting if call.name == sent.name and (not sent.id or call.id == sent.id)]
        if not matching:
            raise RequestInvalid(
                f"The field 'contents' holds a response of the function {sent.name[:64]!r}, which no content before "
                "it calls: send the whole conversation.",
                field=_FIELD,
            )
        self._waiting.remove(matching[0])
        texts, is_error = _content_of(sent.response)
        images = tuple(_response_image(raw) for raw in sent.parts or ())
        return ToolResult(matching[0].id, sent.name, texts + images, is_error)


def _image(part: wire.Part) -> InlineImage | LinkedImage:
    if given(part.inline_data) is not None:
        return _inline(part.inline_data)
    if given(part.file_data) is None:
        raise unsayable("parts", "a part must hold text, an image, a function call or its response", within=_FIELD)
    file = decoded(respelt(part.file_data, field=_FIELD), _file, field=_FIELD)
    if not file.file_uri.startswith(("https://", "http://")) or file.file_uri.startswith(_STORED):
        raise unsayable("fileUri", "it is stored at Google; send a web address or the image itself", within=_FIELD)
    if file.mime_type is not None and not file.mime_type.startswith("image/"):
        raise unsayable(file.mime_type, "of media only images are translated; send text or an image", within=_FIELD)
    return LinkedImage(file.file_uri, file.mime_type)


def _inline(raw: msgspec.Raw) -> InlineImage:
    blob = decoded(respelt(raw, field=_FIELD), _blob, field=_FIELD)
    return inline_image(blob.mime_type, blob.data, field=_FIELD)


def _response_image(raw: msgspec.Raw) -> InlineImage:
    part = decoded(respelt(raw, field=_FIELD), _response_part, field=_FIELD)
    if given(part.inline_data) is None:
        raise unsayable("parts", "a function's response can hold images by value only", within=_FIELD)
    return _inline(part.inline_data)


def _content_of(response: msgspec.Raw) -> tuple[tuple[Text, ...], bool]:
    """Return a response's text, and whether it is an error: the text of its only field, or else its JSON."""
    if given(response) is None:
        return (), False
    fields = decoded(response, _members, field=_FIELD)
    for name in ("output", "error"):
        if set(fields) == {name} and bytes(fields[name]).startswith(b'"'):
            text = decoded(fields[name], _string, field=_FIELD)
            return (Text(text),) if text else (), name == "error"
    return (Text(bytes(response).decode()),) if fields else (), False
