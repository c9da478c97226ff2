"""What decides the cost of an OpenAI chat request, read strictly: a doubtful number is refused, never guessed.

Fields that decide nothing are not read; the body itself is forwarded as bytes.
"""

import msgspec

from governance.plugin import reading
from governance.plugin.errors import RequestInvalid
from governance.plugin.media import MediaRequest
from governance.plugin.openai_chat._images import ShownMedia
from governance.plugin.provider import GoverningFields
from governance.plugin.reading import MAX_MODEL_CHARACTERS
from governance.plugin.splicing import Members, refuse_repeated

MAX_OUTPUT_TOKENS = 2**31 - 1
MAX_CHOICES = 128
MAXIMUM_FIELDS = ("max_completion_tokens", "max_tokens")

_TEXT_PARTS = frozenset({"text", "refusal", "thinking", "reasoning", "input_text", "output_text"})
_FREE_TOOLS = frozenset({"function", "custom"})
_TOOL_NAMES = {"web_search_preview": "web_search", "web_search_2025_08_26": "web_search", "live_search": "web_search"}
_PAID_FIELDS = {
    "web_search_options": "web_search",
    "search_parameters": "web_search",
    "enable_search": "web_search",
    "moderation": "moderation",
    "enable_code_interpreter": "code_interpreter",
    "deferred": "deferred",
    "plugins": "plugins",
    "prediction": "prediction",
    "speed": "speed",
    "inference_geo": "inference_geo",
}
_STORED_CONTEXT = ("previous_response_id", "conversation", "cached_content", "extra_body")
"""Fields that name input which is not in the request: no size bounds it. Gemini reads its own from `extra_body`."""
_SCHEMA_FIELDS = ("tools", "functions", "response_format")


class _Part(msgspec.Struct):
    type: str = ""


_ABSENT = msgspec.Raw(b"")


class _Message(msgspec.Struct):
    content: msgspec.Raw = _ABSENT
    audio: msgspec.Raw = _ABSENT
    images: msgspec.Raw = _ABSENT


class _Tool(msgspec.Struct):
    type: str = "function"


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _PlainMessage(msgspec.Struct):
    content: str | msgspec.UnsetType | None = msgspec.UNSET


class _PlainRequest(msgspec.Struct):
    """The usual request: text, and nothing that costs beside it. Whatever else stands here fits no field."""

    model: str
    messages: list[_PlainMessage]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    best_of: None = None
    service_tier: None = None
    modalities: None = None
    tools: None = None
    functions: None = None
    response_format: None = None
    web_search_options: None = None
    search_parameters: None = None
    enable_search: None = None
    moderation: None = None
    enable_code_interpreter: None = None
    deferred: None = None
    plugins: None = None
    prediction: None = None
    speed: None = None
    inference_geo: None = None
    models: None = None
    route: None = None
    fallbacks: None = None
    preset: None = None
    provider: None = None
    previous_response_id: None = None
    conversation: None = None
    cached_content: None = None
    extra_body: None = None


_plain_request = msgspec.json.Decoder(_PlainRequest)
_string = msgspec.json.Decoder(str | None)
_boolean = msgspec.json.Decoder(bool | None)
_strings = msgspec.json.Decoder(list[str] | None)
_messages = msgspec.json.Decoder(list[_Message])
_parts = msgspec.json.Decoder(list[_Part])
_raw_parts = msgspec.json.Decoder(list[msgspec.Raw])
_tools = msgspec.json.Decoder(list[_Tool] | None)
_stream_options = msgspec.json.Decoder(_StreamOptions | None)


def read_chat_request(body: bytes) -> GoverningFields:
    """Return what governs the cost of this request. Raises RequestInvalid with a sentence for the client."""
    return chat_fields(Members(body))


def chat_fields(members: Members) -> GoverningFields:
    """Read an already located body: a caller that splices it afterwards locates its members only once."""
    return _plain_fields(members) or _all_fields(members)


def _plain_fields(members: Members) -> GoverningFields | None:
    """Read the usual request in one go; None for any other, which is then read field by field, or refused by name."""
    body = members.body
    if b"\\u00" in body:
        return None
    try:
        request = _plain_request.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    new, old, choices = request.max_completion_tokens, request.max_tokens, request.n
    if not 0 < len(request.model) <= MAX_MODEL_CHARACTERS or (choices is not None and not 1 <= choices <= MAX_CHOICES):
        return None
    given: dict[str, int] = {}
    if new is not None:
        given["max_completion_tokens"] = new
    if old is not None:
        given["max_tokens"] = old
    maximum = min(given.values()) if given else None
    if given and not (min(given.values()) >= 1 and max(given.values()) <= MAX_OUTPUT_TOKENS):
        return None
    options = request.stream_options
    if _may_hide(body, request.messages) or (options is not None and body.count(b'"include_usage"') > 1):
        return None
    return GoverningFields(
        model=request.model,
        stream=request.stream is True,
        body_bytes=members.body_bytes,
        messages=len(request.messages),
        choices=choices or 1,
        max_output_tokens=maximum,
        maximum_fields=tuple(given),
        schema_bytes=_schema_bytes(members.values),
        stream_options=None if options is None else bytes(members.values["stream_options"]),
        client_wants_usage=options is not None and options.include_usage is True,
        service_tier=None,
        modalities=(),
        remote_media=0,
        inline_media=0,
        paid_tools=(),
    )


def _may_hide(body: bytes, messages: list[_PlainMessage]) -> bool:
    """Return whether a message may hold media, or a name that decides twice, so that its fields must be looked at."""
    if b'"audio"' in body or b'"images"' in body:
        return True
    return body.count(b'"content"') > sum([message.content is not msgspec.UNSET for message in messages])


def _all_fields(members: Members) -> GoverningFields:
    values = members.values
    caps = _caps(values)
    shown, count = _read_messages(values)
    _refuse_elsewhere(values)
    options = _stream_options_of(values)
    return GoverningFields(
        model=reading.model_name(values),
        stream=bool(reading.value(values, "stream", _boolean, "true or false")),
        body_bytes=members.body_bytes,
        messages=count,
        choices=_choices(values),
        max_output_tokens=min(caps.values()) if caps else None,
        maximum_fields=tuple(caps),
        schema_bytes=_schema_bytes(values),
        stream_options=bytes(values["stream_options"]) if options is not None else None,
        client_wants_usage=options is not None and options.include_usage is True,
        service_tier=reading.value(values, "service_tier", _string, "a string"),
        modalities=tuple(reading.value(values, "modalities", _strings, "an array of strings") or ()),
        remote_media=shown.remote,
        inline_media=shown.inline,
        paid_tools=_paid_tools(values),
        images=len(shown.details),
        media_bytes=shown.bytes,
        media=MediaRequest(details=tuple(shown.details)) if shown.details else None,
    )


def _schema_bytes(values: dict[str, msgspec.Raw]) -> int:
    return sum([len(bytes(values[name])) for name in _SCHEMA_FIELDS if name in values])


def _refuse_elsewhere(values: dict[str, msgspec.Raw]) -> None:
    reading.refuse_choosers(values)
    reading.refuse_stored(values, _STORED_CONTEXT)


def _stream_options_of(values: dict[str, msgspec.Raw]) -> _StreamOptions | None:
    options: _StreamOptions | None = reading.value(values, "stream_options", _stream_options, "an object")
    if options is not None:
        Members(bytes(values["stream_options"]))
    return options


def _caps(values: dict[str, msgspec.Raw]) -> dict[str, int]:
    caps = {name: reading.count(values, name, MAX_OUTPUT_TOKENS) for name in MAXIMUM_FIELDS if name in values}
    return {name: cap for name, cap in caps.items() if cap is not None}


def _choices(values: dict[str, msgspec.Raw]) -> int:
    return max(reading.count(values, "n", MAX_CHOICES) or 1, reading.count(values, "best_of", MAX_CHOICES) or 1)


def _read_messages(values: dict[str, msgspec.Raw]) -> tuple[ShownMedia, int]:
    """Return the media that they show, and the number of messages."""
    raw = values.get("messages")
    if raw is None:
        raise RequestInvalid("The request has no messages: set the field 'messages'.", field="messages")
    messages = reading.decoded(raw, "messages", _messages, "an array of messages")
    _refuse_repeated_messages(bytes(raw), messages)
    shown = ShownMedia()
    for message in messages:
        content = bytes(message.content)
        if content.startswith(b"["):
            _read_media(message.content, shown)
        elif content and not content.startswith((b'"', b"null")):
            raise RequestInvalid("The field 'messages' holds content that is neither text nor parts.", field="messages")
        shown.remote += reading.is_set(message.audio) + reading.is_set(message.images)
    return shown, len(messages)


def _read_media(content: msgspec.Raw, shown: ShownMedia) -> None:
    parts = reading.decoded(content, "messages", _parts, "an array of messages whose parts name their type")
    if bytes(content).count(b'"type"') > sum(part.type != "" for part in parts):
        refuse_repeated(bytes(content), field="messages")
    if all(part.type in _TEXT_PARTS for part in parts):
        return
    for part, raw in zip(parts, _raw_parts.decode(content), strict=True):
        if part.type == "image_url":
            shown.add_image(raw, holder="image_url", url="url", field="messages")
        elif part.type not in _TEXT_PARTS:
            shown.add_other(bytes(raw))


def _paid_tools(values: dict[str, msgspec.Raw]) -> tuple[str, ...]:
    found = {paid for name, paid in _PAID_FIELDS.items() if name in values and reading.is_set(values[name])}
    tools = reading.value(values, "tools", _tools, "an array of tools that name their type") or ()
    if tools:
        # Schemas have types of their own, so that counting tells nothing: each tool is looked at by itself.
        for tool in _raw_parts.decode(values["tools"]):
            Members(bytes(tool))
    found |= {_TOOL_NAMES.get(tool.type, tool.type)[:64] for tool in tools if tool.type not in _FREE_TOOLS}
    return tuple(sorted(found))


def _refuse_repeated_messages(text: bytes, messages: list[_Message]) -> None:
    """Refuse messages in which a name that decides stands twice: vendors' parsers disagree about which one counts.

    Where it stands no more often than there are messages that have it, and no letter is spelt otherwise, it cannot;
    only where it might is the JSON read again, strictly.
    """
    if (
        text.count(b'"content"') > sum(message.content is not _ABSENT for message in messages)
        or text.count(b'"audio"') > sum(message.audio is not _ABSENT for message in messages)
        or text.count(b'"images"') > sum(message.images is not _ABSENT for message in messages)
        or reading.has_spelt_letters(text)
    ):
        refuse_repeated(text, field="messages")
