"""What an OpenAI chat request may hold: a closed list, so that nothing is dropped because nobody knew it."""

from typing import Literal

import msgspec

from governance.gateway.translation.canonical import Verbosity
from governance.gateway.translation.reading import NULL, Fields, Refused

_FALSE = frozenset({b"false"})
_NOTHING = frozenset({b"[]", b"{}"})

FIELDS = Fields(
    carried=frozenset(
        {
            "model",
            "messages",
            "stream",
            "stream_options",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "frequency_penalty",
            "presence_penalty",
            "seed",
            "stop",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "response_format",
            "reasoning_effort",
            "user",
            "safety_identifier",
            "verbosity",
        }
    ),
    left_out={
        "metadata": "labels for the vendor's own store of answers, which is not used",
        "prompt_cache_key": "where the vendor caches; the answer is the same",
        "prompt_cache_options": "how the vendor caches; the answer is the same",
        "prompt_cache_retention": "how long the vendor caches; the answer is the same",
    },
    refused={
        "n": Refused("send n=1, and the request again for each further answer", frozenset({b"1"})),
        "store": Refused("answers are not stored; leave it out or send false", _FALSE),
        "logprobs": Refused("log probabilities are OpenAI's own; leave it out", _FALSE),
        "top_logprobs": Refused("log probabilities are OpenAI's own; leave it out", frozenset({b"0"})),
        "logit_bias": Refused("token numbers are OpenAI's own; leave it out", _NOTHING),
        "service_tier": Refused(
            "tiers differ from vendor to vendor; leave it out", frozenset({b'"auto"', b'"default"'})
        ),
        "modalities": Refused("only text is translated", frozenset({b'["text"]'})),
        "audio": Refused("only text is translated"),
        "prediction": Refused("leave it out; the answer is the same, only slower"),
        "web_search_options": Refused("the vendor's own tools are not translated; offer a function"),
        "moderation": Refused("it is OpenAI's own; leave it out"),
        "functions": Refused("send 'tools' instead", _NOTHING),
        "function_call": Refused("send 'tool_choice' instead"),
    },
)


class Struct(msgspec.Struct, forbid_unknown_fields=True):
    """Knows all its fields, or refuses."""


class ImageURL(Struct):
    """`detail` other than auto has no counterpart."""

    url: str
    detail: Literal["auto"] | None = None


class TextPart(Struct, tag="text", tag_field="type"):
    """A cache breakpoint is left out: the answer is the same."""

    text: str
    prompt_cache_breakpoint: msgspec.Raw = NULL


class ImagePart(Struct, tag="image_url", tag_field="type"):
    """By address, or by value in a data URL."""

    image_url: ImageURL
    prompt_cache_breakpoint: msgspec.Raw = NULL


class RefusalPart(Struct, tag="refusal", tag_field="type"):
    """The model declined in an earlier answer."""

    refusal: str


class SystemMessage(Struct, tag="system", tag_field="role"):
    """`name` tells participants of one role apart, which no other wire does."""

    content: str | list[TextPart]
    name: None = None


class DeveloperMessage(Struct, tag="developer", tag_field="role"):
    """The newer word for a system message."""

    content: str | list[TextPart]
    name: None = None


class UserMessage(Struct, tag="user", tag_field="role"):
    """Text and images."""

    content: str | list[TextPart | ImagePart]
    name: None = None


class Function(Struct):
    """`arguments` is JSON text. OpenAI's SDK may send its own reading of it along."""

    name: str
    arguments: str = ""
    parsed_arguments: msgspec.Raw = NULL


class GoogleExtra(Struct):
    """The place that Google's own chat wire has for the signature of a call."""

    thought_signature: str | None = None


class ExtraContent(Struct):
    """See GoogleExtra."""

    google: GoogleExtra | None = None


class Call(Struct, tag="function", tag_field="type"):
    """A call of an earlier answer. `index` stands in calls that were copied from a stream."""

    id: str
    function: Function
    extra_content: ExtraContent | None = None
    index: int | None = None


class ReasoningDetail(msgspec.Struct):
    """One thought of an earlier answer, as OpenRouter's chat wire writes it. Its other fields only describe it."""

    type: str
    text: str | None = None
    signature: str | None = None
    data: str | None = None
    format: str | None = None


class AssistantMessage(Struct, tag="assistant", tag_field="role"):
    """An earlier answer, sent back as it came: SDKs fill what it did not have with null.

    Annotations cite what the text says already, and `parsed` is the SDK's own reading of it: both are left out.
    """

    content: str | list[TextPart | RefusalPart] | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    annotations: msgspec.Raw = NULL
    parsed: msgspec.Raw = NULL
    audio: None = None
    function_call: None = None
    name: None = None


class ToolMessage(Struct, tag="tool", tag_field="role"):
    """What a tool gave."""

    content: str | list[TextPart]
    tool_call_id: str
    name: msgspec.Raw = NULL


AnyMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class FunctionDefinition(Struct):
    """`parameters` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = NULL
    strict: bool | None = None


class FunctionTool(Struct, tag="function", tag_field="type"):
    """A function that the client offers."""

    function: FunctionDefinition


class Named(Struct):
    """A tool by its name."""

    name: str


class NamedFunction(Struct, tag="function", tag_field="type"):
    """Which tool must be called."""

    function: Named


class AllowedTools(Struct):
    """Which tools may be called."""

    mode: Literal["auto", "required"]
    tools: list[NamedFunction]


class AllowedChoice(Struct, tag="allowed_tools", tag_field="type"):
    """Which tools may be called."""

    allowed_tools: AllowedTools


class TextFormat(Struct, tag="text", tag_field="type"):
    """The default."""


class ObjectFormat(Struct, tag="json_object", tag_field="type"):
    """Any JSON object."""


class JSONSchema(Struct):
    """`schema` is a JSON Schema."""

    name: str
    schema: msgspec.Raw = NULL
    description: str | None = None
    strict: bool | None = None


class SchemaFormat(Struct, tag="json_schema", tag_field="type"):
    """JSON of this schema."""

    json_schema: JSONSchema


class StreamOptions(Struct):
    """Obfuscation pads the events of OpenAI's own stream; it is left out."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Request(msgspec.Struct):
    """The fields that are carried. The others are checked before."""

    messages: list[AnyMessage]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedFunction | AllowedChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: TextFormat | ObjectFormat | SchemaFormat | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    verbosity: Verbosity | None = None
