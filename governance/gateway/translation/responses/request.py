"""What a Responses request may hold: a closed list, so that nothing is dropped because nobody knew it.

Facts from OpenAI's Python package 3.54.0 (`types/responses`) and from requests of Codex CLI 0.169.0.
"""

from typing import Literal

import msgspec

from governance.gateway.translation.canonical import Verbosity
from governance.gateway.translation.reading import NULL, Fields, Refused

_FALSE = frozenset({b"false"})
_NOTHING = frozenset({b"[]", b"{}"})
_STORED = "answers are not stored, so send the whole conversation in 'input'"

FIELDS = Fields(
    carried=frozenset(
        {
            "model",
            "input",
            "instructions",
            "stream",
            "max_output_tokens",
            "temperature",
            "top_p",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "text",
            "reasoning",
            "include",
            "user",
            "safety_identifier",
        }
    ),
    left_out={
        "stream_options": "pads the events of OpenAI's own stream",
        "metadata": "labels for the vendor's own store of answers, which is not used",
        "client_metadata": "what a coding agent tells OpenAI of itself",
        "prompt_cache_key": "where the vendor caches; the answer is the same",
        "prompt_cache_options": "how the vendor caches; the answer is the same",
        "prompt_cache_retention": "how long the vendor caches; the answer is the same",
    },
    refused={
        "store": Refused("answers are not stored; leave it out or send false", _FALSE),
        "previous_response_id": Refused(_STORED),
        "conversation": Refused(_STORED),
        "prompt": Refused("prompts are not stored; send its text in 'instructions' and 'input'"),
        "background": Refused("stream the answer instead", _FALSE),
        "background_options": Refused("stream the answer instead", _NOTHING),
        "truncation": Refused(
            "what does not fit is not left out; leave it out and send less", frozenset({b'"disabled"'})
        ),
        "max_tool_calls": Refused("it bounds calls of the vendor's own tools, which are not translated; leave it out"),
        "top_logprobs": Refused("log probabilities are OpenAI's own; leave it out", frozenset({b"0"})),
        "service_tier": Refused(
            "tiers differ from vendor to vendor; leave it out", frozenset({b'"auto"', b'"default"'})
        ),
        "context_management": Refused("compact the conversation yourself", _NOTHING),
        "image": Refused("it is OpenAI's own; leave it out", _NOTHING),
        "moderation": Refused("it is OpenAI's own; leave it out"),
        "access_programs": Refused("it is OpenAI's own; leave it out", _NOTHING),
    },
)
REPEATED = (
    "instructions",
    "max_output_tokens",
    "temperature",
    "top_p",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "metadata",
    "user",
    "safety_identifier",
    "prompt_cache_key",
)
"""What an answer says again as it was asked."""


class Struct(msgspec.Struct, forbid_unknown_fields=True):
    """Knows all its fields, or refuses."""


class TextPart(Struct, tag="input_text", tag_field="type"):
    """A cache breakpoint is left out: the answer is the same."""

    text: str
    prompt_cache_breakpoint: msgspec.Raw = NULL


class ImagePart(Struct, tag="input_image", tag_field="type"):
    """By address, or by value in a data URL. `detail` other than auto has no counterpart."""

    image_url: str
    detail: Literal["auto"] | None = None
    file_id: None = None
    prompt_cache_breakpoint: msgspec.Raw = NULL


class OutputPart(Struct, tag="output_text", tag_field="type"):
    """A text of an earlier answer. Annotations cite what it says already; the SDK may add its own reading of it."""

    text: str
    annotations: msgspec.Raw = NULL
    logprobs: msgspec.Raw = NULL
    parsed: msgspec.Raw = NULL


class RefusalPart(Struct, tag="refusal", tag_field="type"):
    """The model declined in an earlier answer."""

    refusal: str


class Message(Struct):
    """A turn. Its id, status and phase say nothing to another vendor's model."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[TextPart | ImagePart | OutputPart | RefusalPart]
    type: Literal["message"] | None = None
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class DirectCaller(Struct, tag="direct", tag_field="type"):
    """The model itself called the tool."""


class FunctionCall(Struct):
    """A call of an earlier answer. `arguments` is JSON text. The SDK may send its own reading of it along."""

    call_id: str
    name: str
    arguments: str
    type: str | None = None
    id: str | None = None
    status: str | None = None
    namespace: str | None = None
    caller: DirectCaller | None = None
    parsed_arguments: msgspec.Raw = NULL


class CustomCall(Struct):
    """A call of a tool that takes a text."""

    call_id: str
    name: str
    input: str
    type: str | None = None
    id: str | None = None
    status: str | None = None
    namespace: str | None = None
    caller: DirectCaller | None = None


class Output(Struct):
    """What a tool gave, for the call of this id."""

    call_id: str
    output: str | list[TextPart | ImagePart]
    type: str | None = None
    id: str | None = None
    status: str | None = None
    name: str | None = None
    namespace: str | None = None
    caller: DirectCaller | None = None


class Summary(msgspec.Struct):
    """A piece of a thought."""

    text: str = ""


class ReasoningItem(Struct):
    """A thought, sent back as it came."""

    summary: list[Summary] | None = None
    content: list[Summary] | None = None
    encrypted_content: str | None = None
    type: str | None = None
    id: str | None = None
    status: str | None = None


class FunctionTool(Struct, tag="function", tag_field="type"):
    """A function that the client offers. What it gives back, and when it is loaded, is said to no other vendor."""

    name: str
    parameters: msgspec.Raw = NULL
    description: str | None = None
    strict: bool | None = None
    defer_loading: Literal[False] | None = None
    allowed_callers: list[Literal["direct"]] | None = None
    output_schema: msgspec.Raw = NULL


class FreeText(Struct, tag="text", tag_field="type"):
    """Any text."""


class Grammar(Struct, tag="grammar", tag_field="type"):
    """A text of this grammar."""

    syntax: str
    definition: str


class CustomTool(Struct, tag="custom", tag_field="type"):
    """A tool that takes a text."""

    name: str
    description: str | None = None
    format: FreeText | Grammar | None = None
    defer_loading: Literal[False] | None = None
    allowed_callers: list[Literal["direct"]] | None = None


class Namespace(Struct, tag="namespace", tag_field="type"):
    """Tools under a name of their own."""

    name: str
    tools: list[FunctionTool | CustomTool]
    description: str | None = None


AnyTool = FunctionTool | CustomTool | Namespace


class AdditionalTools(Struct):
    """Tools that join the conversation at this place; here they are offered from its beginning."""

    tools: list[AnyTool]
    type: str | None = None
    id: str | None = None
    role: str | None = None


class NamedFunction(Struct, tag="function", tag_field="type"):
    """Which function must be called."""

    name: str
    namespace: str | None = None


class NamedCustom(Struct, tag="custom", tag_field="type"):
    """Which tool that takes a text must be called."""

    name: str
    namespace: str | None = None


class AllowedTools(Struct, tag="allowed_tools", tag_field="type"):
    """Which tools may be called."""

    mode: Literal["auto", "required"]
    tools: list[NamedFunction | NamedCustom]


class TextFormat(Struct, tag="text", tag_field="type"):
    """The default."""


class ObjectFormat(Struct, tag="json_object", tag_field="type"):
    """Any JSON object."""


class SchemaFormat(Struct, tag="json_schema", tag_field="type"):
    """JSON of this schema."""

    name: str
    schema: msgspec.Raw = NULL
    description: str | None = None
    strict: bool | None = None


class TextConfig(Struct):
    """The form and the length of the answer."""

    format: TextFormat | ObjectFormat | SchemaFormat | None = None
    verbosity: Verbosity | None = None


class Reasoning(Struct):
    """How much the model is to think, and whether that is shown. Which of its earlier thoughts it reads is its own."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "all_turns"] | None = None
    mode: Literal["standard"] | None = None


class Request(msgspec.Struct):
    """The fields that are carried. The others are checked before."""

    input: str | list[msgspec.Raw]
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[AnyTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedFunction | NamedCustom | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    include: list[Literal["reasoning.encrypted_content"]] | None = None
    user: str | None = None
    safety_identifier: str | None = None
