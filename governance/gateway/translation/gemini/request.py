"""What a Gemini generateContent request may hold: a closed list, so that nothing is dropped because nobody knew it.

Objects inside are kept raw and read one by one, because each may be spelt in two ways.
"""

from typing import Literal

import msgspec

from governance.gateway.translation.reading import NULL, Fields, Refused

FIELDS = Fields(
    carried=frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"}),
    left_out={
        "model": "the address names it",
        "labels": "labels for Google's own bills",
    },
    refused={
        "cachedContent": Refused("it is stored at Google; send the whole conversation"),
        "serviceTier": Refused("tiers differ from vendor to vendor; leave it out", frozenset({b'"standard"'})),
        "store": Refused("answers are not stored; leave it out or send false", frozenset({b"false"})),
        "continuationToken": Refused("it is Google's own; leave it out"),
    },
)
GENERATION_FIELDS = Fields(
    carried=frozenset(
        {
            "temperature",
            "topP",
            "topK",
            "maxOutputTokens",
            "stopSequences",
            "presencePenalty",
            "frequencyPenalty",
            "seed",
            "responseMimeType",
            "responseSchema",
            "responseJsonSchema",
            "thinkingConfig",
        }
    ),
    left_out={},
    refused={
        "candidateCount": Refused("send 1, and the request again for each further answer", frozenset({b"1"})),
        "responseModalities": Refused("only text is translated", frozenset({b'["TEXT"]', b"[]"})),
        "responseLogprobs": Refused("log probabilities are Google's own; leave it out", frozenset({b"false"})),
        "logprobs": Refused("log probabilities are Google's own; leave it out"),
        "mediaResolution": Refused("leave it out", frozenset({b'"MEDIA_RESOLUTION_UNSPECIFIED"'})),
        "speechConfig": Refused("only text is translated"),
        "imageConfig": Refused("only text is translated"),
        "audioTranscriptionConfig": Refused("only text is translated"),
        "enableEnhancedCivicAnswers": Refused("it is Google's own; leave it out", frozenset({b"false"})),
    },
)


class Struct(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Knows all its fields, or refuses."""


class Content(Struct):
    """One turn. Results of functions may come as the role function."""

    parts: list[msgspec.Raw] = []
    role: Literal["user", "model", "function", "system"] | None = None


class Part(Struct):
    """One of its fields is set, and the signature beside it."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: msgspec.Raw = NULL
    file_data: msgspec.Raw = NULL
    function_call: msgspec.Raw = NULL
    function_response: msgspec.Raw = NULL


class Blob(Struct):
    """Media by value; `data` is base64."""

    mime_type: str
    data: str
    display_name: msgspec.Raw = NULL


class FileData(Struct):
    """Media by address."""

    file_uri: str
    mime_type: str | None = None
    display_name: msgspec.Raw = NULL


class FunctionCall(Struct):
    """A call of an earlier answer; older models gave calls no id."""

    name: str
    id: str | None = None
    args: msgspec.Raw = NULL


class FunctionResponse(Struct):
    """What a function gave: `response` is any object; `output` or `error` in it, where it has no other fields."""

    name: str
    id: str | None = None
    response: msgspec.Raw = NULL
    parts: list[msgspec.Raw] | None = None


class ResponsePart(Struct):
    """Media that a function gave."""

    inline_data: msgspec.Raw = NULL


class Tools(Struct):
    """Functions that the client offers; the vendor's own tools have no words elsewhere."""

    function_declarations: list[msgspec.Raw] = []


class FunctionDeclaration(Struct):
    """`parameters` is Google's own kind of schema, `parametersJsonSchema` a JSON Schema."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL
    parameters_json_schema: msgspec.Raw = NULL


class ToolConfig(Struct):
    """How functions are called."""

    function_calling_config: msgspec.Raw = NULL


class FunctionCallingConfig(Struct):
    """VALIDATED is AUTO that holds to the schemas."""

    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] = "MODE_UNSPECIFIED"
    allowed_function_names: list[str] | None = None


class SafetySetting(Struct):
    """Filters of Google's own; that there shall be none can be said to every vendor, by saying nothing."""

    category: str
    threshold: Literal["BLOCK_NONE", "OFF", "HARM_BLOCK_THRESHOLD_UNSPECIFIED"] | None = None


class GenerationConfig(msgspec.Struct, rename="camel"):
    """The fields that are carried. The others are checked before."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    response_mime_type: Literal["text/plain", "application/json"] | None = None
    response_schema: msgspec.Raw = NULL
    response_json_schema: msgspec.Raw = NULL
    thinking_config: msgspec.Raw = NULL


class ThinkingConfig(Struct):
    """A level, or a budget in tokens: 0 for none, -1 for as much as the question deserves."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class Request(msgspec.Struct, rename="camel"):
    """The fields that are carried. The others are checked before."""

    contents: list[msgspec.Raw]
    system_instruction: msgspec.Raw = NULL
    tools: list[msgspec.Raw] | None = None
    tool_config: msgspec.Raw = NULL
    generation_config: msgspec.Raw = NULL
    safety_settings: list[msgspec.Raw] | None = None
