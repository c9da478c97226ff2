"""What decides the cost of a request on the Anthropic messages wire, read strictly.

The API refuses fields that it does not know, and new ones there are often new ways to pay. So the list of fields here
is closed: one that Bursar does not know is refused by name, never passed on as if it cost nothing.

Source: the request types of Anthropic's own Python package, version 2.14.0.
"""

from typing import Any

import msgspec

from governance.plugin.anthropic_messages._content import Contents, items, members, stored, text_of
from governance.plugin.errors import RequestInvalid
from governance.plugin.provider import GoverningFields
from governance.plugin.splicing import Members

MAXIMUM_FIELD = "max_tokens"
MAX_OUTPUT_TOKENS = 2**31 - 1
MAX_MODEL_CHARACTERS = 256

_READ = frozenset(
    {
        "model",
        "messages",
        "system",
        "max_tokens",
        "stream",
        "tools",
        "service_tier",
        "speed",
        "inference_geo",
        "context_management",
    }
)
_FREE = frozenset(
    {
        "cache_control",
        "diagnostics",
        "metadata",
        "output_config",
        "output_format",
        "stop_sequences",
        "temperature",
        "thinking",
        "tool_choice",
        "top_k",
        "top_p",
    }
)
"""Known to cost nothing that the bound does not hold: thinking is output, and within `max_tokens`."""
_STORED = ("thread", "container")
_CHOOSERS = {
    "fallbacks": "lets the vendor answer with another model, at another price",
    "billing_policy": "changes who pays the vendor",
    "fallback_credit_token": "changes what the vendor charges for the tokens it reports",
}
_PAID = {"mcp_servers": "mcp_servers", "compaction": "compaction"}
_OFF = frozenset({b"", b"null", b"[]", b"{}"})
_SCHEMA_FIELDS = ("tools", "output_config", "output_format")

_CLIENT_TOOLS = frozenset(
    {
        "bash_20241022",
        "bash_20250124",
        "computer_20241022",
        "computer_20250124",
        "computer_20251124",
        "memory_20250818",
        "text_editor_20241022",
        "text_editor_20250124",
        "text_editor_20250429",
        "text_editor_20250728",
    }
)
"""Tools that the client runs: nothing but the vendor's definition of them comes on top of the request."""
_FREE_EDITS = frozenset({"clear_tool_uses_20250919", "clear_thinking_20251015"})
"""Edits that only take away from the context. Compaction asks the model once more, beyond `max_tokens`."""

_text = msgspec.json.Decoder(str | None)
_boolean = msgspec.json.Decoder(bool | None)
_integer = msgspec.json.Decoder(int | None)


def read_messages_request(body: bytes) -> GoverningFields:
    """Return what governs the cost of this request. Raises RequestInvalid with a sentence for the client."""
    return messages_fields(Members(body))


def read_count_tokens_request(body: bytes) -> GoverningFields:
    """Return what governs a request that counts tokens and makes none. Raises RequestInvalid."""
    return count_tokens_fields(Members(body))


def messages_fields(body: Members, *, betas: tuple[str, ...] = ()) -> GoverningFields:
    """Read an already located body: a caller that splices it afterwards locates its members only once. `betas` are what
    its header `anthropic-beta` asks for.
    """
    maximum = _maximum(body.values)
    return msgspec.structs.replace(
        _fields(body),
        stream=bool(_value(body.values, "stream", _boolean, "true or false")),
        max_output_tokens=maximum,
        maximum_fields=(MAXIMUM_FIELD,),
        betas=betas,
    )


def count_tokens_fields(body: Members, *, betas: tuple[str, ...] = ()) -> GoverningFields:
    """As `messages_fields`, for a request without an answer: what cannot be sent cannot be counted either."""
    return msgspec.structs.replace(_fields(body), max_output_tokens=0, betas=betas)


def _fields(body: Members) -> GoverningFields:
    values = body.values
    _refuse_unknown(values)
    if not _is_set(values, "messages"):
        raise RequestInvalid("The request has no messages: set the field 'messages'.", field="messages")
    contents = Contents()
    contents.read_messages(values["messages"])
    if _is_set(values, "system"):
        contents.read(values["system"], field="system")
    vendor_tools, paid_tools = _tools(values)
    paid = {*paid_tools, *contents.unbounded, *_paid_edits(values)}
    paid |= {paid for name, paid in _PAID.items() if _is_set(values, name)}
    return GoverningFields(
        model=_model(values),
        stream=False,
        body_bytes=body.body_bytes,
        messages=contents.items,
        schema_bytes=_schema_bytes(values, contents.references),
        service_tier=_value(values, "service_tier", _text, "a string"),
        remote_media=contents.remote,
        inline_media=contents.inline,
        paid_tools=tuple(sorted(paid)),
        images=contents.images,
        media_bytes=contents.bytes,
        vendor_tools=vendor_tools,
        speed=_value(values, "speed", _text, "a string"),
        inference_geo=_value(values, "inference_geo", _text, "a string"),
    )


def _refuse_unknown(values: dict[str, msgspec.Raw]) -> None:
    for name in values.keys() - _READ - _FREE - _PAID.keys():
        if name in _STORED and _is_set(values, name):
            raise stored(name, field=name)
        if name in _CHOOSERS and _is_set(values, name):
            raise RequestInvalid(f"The field {name!r} {_CHOOSERS[name]}: remove it.", field=name)
        if name not in _STORED and name not in _CHOOSERS:
            raise RequestInvalid(
                f"The field {name[:64]!r} is not known to Bursar, so that nothing bounds what it costs: remove it.",
                field=name[:64],
            )


def _is_set(values: dict[str, msgspec.Raw], name: str) -> bool:
    return name in values and bytes(values[name]) not in _OFF


def _value(values: dict[str, msgspec.Raw], name: str, decoder: msgspec.json.Decoder[Any], form: str) -> Any:
    if name not in values:
        return None
    try:
        return decoder.decode(values[name])
    except msgspec.DecodeError as error:
        raise RequestInvalid(f"The field {name!r} must be {form} ({error}).", field=name) from error


def _model(values: dict[str, msgspec.Raw]) -> str:
    model = _value(values, "model", _text, "a string")
    if not model:
        raise RequestInvalid("The request names no model: set the field 'model'.", field="model")
    if len(model) > MAX_MODEL_CHARACTERS:
        raise RequestInvalid(
            f"The model name is longer than {MAX_MODEL_CHARACTERS} characters: send a model's name.", field="model"
        )
    return str(model)


def _maximum(values: dict[str, msgspec.Raw]) -> int:
    """Return the cap, which this API demands. Zero is one: it fills the prompt cache and makes no answer."""
    form = f"a whole number from 0 to {MAX_OUTPUT_TOKENS}"
    maximum = _value(values, MAXIMUM_FIELD, _integer, form)
    if maximum is None:
        raise RequestInvalid(
            f"The request has no maximum of output tokens: set the field {MAXIMUM_FIELD!r}.", field=MAXIMUM_FIELD
        )
    if not 0 <= maximum <= MAX_OUTPUT_TOKENS:
        raise RequestInvalid(f"The field {MAXIMUM_FIELD!r} must be {form}.", field=MAXIMUM_FIELD)
    return int(maximum)


def _tools(values: dict[str, msgspec.Raw]) -> tuple[int, set[str]]:
    """Return how many tools the vendor defines and the client runs, and the names of those the vendor runs."""
    if "tools" not in values or bytes(values["tools"]) == b"null":
        return 0, set()
    kinds = []
    for tool in items(values["tools"], field="tools"):
        kind = members(tool, field="tools").get("type")
        if kind is not None and bytes(kind) != b"null":
            kinds.append(text_of(kind, field="tools", what="A tool's type"))
    return sum(kind in _CLIENT_TOOLS for kind in kinds), {
        kind[:64] for kind in kinds if kind != "custom" and kind not in _CLIENT_TOOLS
    }


def _paid_edits(values: dict[str, msgspec.Raw]) -> set[str]:
    name = "context_management"
    if not _is_set(values, name):
        return set()
    edits = members(values[name], field=name)
    unknown = next((key for key in edits if key != "edits"), None)
    if unknown is not None:
        return {unknown[:64]}
    kinds = [
        text_of(members(edit, field=name).get("type"), field=name, what="An edit's type")
        for edit in items(edits.get("edits", msgspec.Raw(b"[]")), field=name)
    ]
    return {kind[:64] for kind in kinds if kind not in _FREE_EDITS}


def _schema_bytes(values: dict[str, msgspec.Raw], references: int) -> int:
    """Return the size of what the vendor writes out anew: every reference to a tool may repeat its definition."""
    size = sum(len(bytes(values[name])) for name in _SCHEMA_FIELDS if _is_set(values, name))
    return size + references * (len(bytes(values["tools"])) if "tools" in values else 0)
