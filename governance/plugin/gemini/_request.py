"""What decides the cost of a Gemini request, read strictly: a doubtful number is refused, never guessed.

The model stands in the address. Fields that decide nothing are not read, but none passes that is not known.
"""

from typing import Any

import msgspec

from governance.plugin.errors import RequestInvalid
from governance.plugin.gemini._contents import read_contents
from governance.plugin.gemini._spelling import Message, is_set, messages, tree
from governance.plugin.media import MediaRequest
from governance.plugin.provider import GoverningFields
from governance.plugin.splicing import Members

MAX_OUTPUT_TOKENS = 2**31 - 1
MAX_CHOICES = 128
MAX_MODEL_CHARACTERS = 256
CONFIG = "generationConfig"
MAXIMUM = "maxOutputTokens"

_REQUEST = Message(
    "the request",
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    CONFIG,
    "serviceTier",
    "store",
    "labels",
    "cachedContent",
    "continuationToken",
)
_GENERATION = Message(
    "the generation config",
    MAXIMUM,
    "candidateCount",
    "temperature",
    "topP",
    "topK",
    "seed",
    "stopSequences",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "responseModalities",
    "responseFormat",
    "mediaResolution",
    "speechConfig",
    "imageConfig",
    "thinkingConfig",
    "enableEnhancedCivicAnswers",
    "enableAffectiveDialog",
    "audioTimestamp",
    "routingConfig",
    "modelSelectionConfig",
)
_TOOL = Message(
    "a tool",
    "functionDeclarations",
    "codeExecution",
    "googleSearch",
    "googleSearchRetrieval",
    "googleMaps",
    "urlContext",
    "fileSearch",
    "computerUse",
    "mcpServers",
    "retrieval",
    "enterpriseWebSearch",
    "parallelAiSearch",
    "exaAiSearch",
)
_STORED = ("cachedContent", "continuationToken")
_CHOOSERS = ("routingConfig", "modelSelectionConfig")

_string = msgspec.json.Decoder(str | None)
_integer = msgspec.json.Decoder(int | None)
_strings = msgspec.json.Decoder(list[str] | None)


def read_generate_request(body: bytes, *, model: str, stream: bool) -> GoverningFields:
    """Return what governs the cost of this request to generate content. Raises RequestInvalid."""
    return generate_fields(Members(body), model=model, stream=stream)


def generate_fields(members: Members, *, model: str, stream: bool) -> GoverningFields:
    """Read an already located body: a caller that splices it afterwards locates its members only once."""
    values = members.values
    spelt = _REQUEST.spellings(values)
    _refuse_stored(values, spelt)
    raw = {name: bytes(values[spelling]) for name, spelling in spelt.items()}
    config = _Config(raw.get(CONFIG, b"null"), field=spelt.get(CONFIG, CONFIG))
    if "contents" not in raw:
        raise RequestInvalid("The request has no contents: set the field 'contents'.", field="contents")
    contents = read_contents(raw["contents"], field="contents")
    if "systemInstruction" in raw:
        contents += read_contents(raw["systemInstruction"], field=spelt["systemInstruction"])
    maximum = config.count(MAXIMUM, MAX_OUTPUT_TOKENS)
    held = {spelt[CONFIG]: raw[CONFIG]} if CONFIG in spelt else {}
    return GoverningFields(
        model=checked_model(model, values),
        stream=stream,
        body_bytes=members.body_bytes,
        messages=contents.count,
        choices=config.count("candidateCount", MAX_CHOICES) or 1,
        max_output_tokens=maximum,
        maximum_fields=() if maximum is None else (config.spelt[MAXIMUM],),
        schema_bytes=len(raw.get("tools", b"")) + len(raw.get(CONFIG, b"")),
        service_tier=_service_tier(raw, spelt),
        modalities=config.modalities(),
        remote_media=contents.remote_media,
        inline_media=contents.inline_media,
        images=contents.images,
        media_bytes=contents.media_bytes,
        media=MediaRequest() if contents.images else None,
        paid_tools=_paid_tools(raw.get("tools", b"null")),
        holders={**held, **repeated_model(values)},
    )


def count_fields(members: Members, *, model: str) -> GoverningFields:
    """Read a request to count tokens: nothing in it costs anything, and its answer is no output."""
    values = members.values
    nested = next((name for name in ("generateContentRequest", "generate_content_request") if name in values), None)
    held = repeated_model(values)
    if nested is not None and bytes(values[nested]) != b"null":
        inner = Members(bytes(values[nested]))
        checked_model(model, inner.values)
        held[nested] = inner.body
    return GoverningFields(
        model=checked_model(model, values),
        stream=False,
        body_bytes=members.body_bytes,
        messages=0,
        max_output_tokens=0,
        holders=held,
    )


def checked_model(model: str, values: dict[str, msgspec.Raw]) -> str:
    """Return the model that the address names. Raises RequestInvalid when the body names another."""
    if not 0 < len(model) <= MAX_MODEL_CHARACTERS:
        raise RequestInvalid(
            f"The model's name in the address must have 1 to {MAX_MODEL_CHARACTERS} characters: name a model.",
            field="model",
        )
    if "model" in values:
        named = decoded(bytes(values["model"]), "model", _string, "a string")
        if named and named.removeprefix("models/") != model:
            raise RequestInvalid(
                f"The body names the model {named[:MAX_MODEL_CHARACTERS]!r} and the address {model!r}: "
                "name the same one in both.",
                field="model",
            )
    return model


def repeated_model(values: dict[str, msgspec.Raw]) -> dict[str, bytes]:
    """Return the body's own field for the model as a holder, if it has one."""
    return {"model": bytes(values["model"])} if "model" in values else {}


def decoded(raw: bytes, name: str, decoder: msgspec.json.Decoder[Any], form: str) -> Any:
    """Decode one value. Raises RequestInvalid, which says that it must be of this form."""
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise RequestInvalid(f"The field {name!r} must be {form} ({error}).", field=name) from error


class _Config:
    """The generation config: `spelt` has how each of its fields is spelt."""

    def __init__(self, raw: bytes, *, field: str) -> None:
        self._field = field
        self._values = Members(raw).values if raw != b"null" else {}
        self.spelt = _GENERATION.spellings(self._values, field=field)
        for name in _CHOOSERS:
            if name in self.spelt and is_set(tree(self._raw(name), field=field)):
                raise RequestInvalid(
                    f"The field {name!r} would let the vendor choose another model: remove it and name one model.",
                    field=field,
                )

    def count(self, name: str, largest: int) -> int | None:
        """Return a whole number from 1 up, or None. Raises RequestInvalid."""
        form = f"a whole number from 1 to {largest}"
        count = decoded(self._raw(name), name, _integer, form)
        if count is not None and not 1 <= count <= largest:
            raise RequestInvalid(f"The field {name!r} must be {form}.", field=self._field)
        return None if count is None else int(count)

    def modalities(self) -> tuple[str, ...]:
        """Return what the answer may hold, in lower case; empty where the request leaves that to the model."""
        form = "an array of strings"
        asked = decoded(self._raw("responseModalities"), "responseModalities", _strings, form) or ()
        formats = messages(
            tree(self._raw("responseFormat"), field=self._field), field=self._field, form="a config of objects"
        )
        return tuple(sorted({kind.lower() for kind in (*asked, *(kind for each in formats for kind in each))}))

    def _raw(self, name: str) -> bytes:
        return bytes(self._values[self.spelt[name]]) if name in self.spelt else b"null"


def _refuse_stored(values: dict[str, msgspec.Raw], spelt: dict[str, str]) -> None:
    for name in _STORED:
        if name in spelt and is_set(tree(bytes(values[spelt[name]]), field=spelt[name])):
            raise RequestInvalid(
                f"The field {name!r} brings in what is not in the request, so that nothing bounds its cost: remove it "
                "and send the whole conversation. What it repeats is cached by itself.",
                field=spelt[name],
            )


def _service_tier(raw: dict[str, bytes], spelt: dict[str, str]) -> str | None:
    if "serviceTier" not in raw:
        return None
    tier = decoded(raw["serviceTier"], spelt["serviceTier"], _string, "a string")
    return tier.lower() if tier else None


def _paid_tools(raw: bytes) -> tuple[str, ...]:
    found: set[str] = set()
    for tool in messages(tree(raw, field="tools"), field="tools", form="a tool, or an array of tools"):
        found |= {name for name, spelling in _TOOL.spellings(tool, field="tools").items() if tool[spelling] is not None}
    return tuple(sorted(found - {"functionDeclarations"}))
