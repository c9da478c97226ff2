"""What an Anthropic messages request may hold: a closed list, so that nothing is dropped because nobody knew it."""

from typing import Literal

import msgspec

from governance.gateway.translation.reading import NULL, Fields, Refused

FIELDS = Fields(
    carried=frozenset(
        {
            "model",
            "messages",
            "max_tokens",
            "system",
            "stream",
            "stop_sequences",
            "temperature",
            "top_p",
            "top_k",
            "tools",
            "tool_choice",
            "thinking",
            "output_config",
            "metadata",
            "context_management",
        }
    ),
    left_out={
        "cache_control": "where the vendor caches; the answer is the same",
        "diagnostics": "asks for a note on Anthropic's own cache; the answer is the same",
    },
    refused={
        "service_tier": Refused(
            "tiers differ from vendor to vendor; leave it out", frozenset({b'"auto"', b'"standard_only"'})
        ),
        "speed": Refused("speeds differ from vendor to vendor; leave it out", frozenset({b'"standard"'})),
        "inference_geo": Refused("where another vendor computes is set by whoever administers Bursar; leave it out"),
        "container": Refused("the vendor's own tools are not translated; leave it out"),
        "mcp_servers": Refused("the vendor's own tools are not translated; offer a function", frozenset({b"[]"})),
        "output_format": Refused("send output_config.format instead"),
        "user_profile_id": Refused("it is Anthropic's own; leave it out"),
        "workspace_id": Refused("it is Anthropic's own; leave it out"),
    },
)


class Struct(msgspec.Struct, forbid_unknown_fields=True):
    """Knows all its fields, or refuses."""


class TextBlock(Struct, tag="text", tag_field="type"):
    """Citations say where the text is from, which it says itself, and `cache_control` where to cache: left out."""

    text: str
    citations: msgspec.Raw = NULL
    cache_control: msgspec.Raw = NULL


class Base64Source(Struct, tag="base64", tag_field="type"):
    """An image by value."""

    media_type: str
    data: str


class URLSource(Struct, tag="url", tag_field="type"):
    """An image by address."""

    url: str


class ImageBlock(Struct, tag="image", tag_field="type"):
    """An image; one that is stored at Anthropic has no words elsewhere."""

    source: Base64Source | URLSource
    cache_control: msgspec.Raw = NULL
    transformations: None = None


class ThinkingBlock(Struct, tag="thinking", tag_field="type"):
    """A thought, sent back as it came."""

    thinking: str
    signature: str


class RedactedBlock(Struct, tag="redacted_thinking", tag_field="type"):
    """A thought that only its vendor can read."""

    data: str


class DirectCaller(Struct, tag="direct", tag_field="type"):
    """The model itself called the tool."""


class ToolUseBlock(Struct, tag="tool_use", tag_field="type"):
    """A call of an earlier answer."""

    id: str
    name: str
    input: msgspec.Raw
    caller: DirectCaller | None = None
    toolset_name: None = None
    cache_control: msgspec.Raw = NULL


class ToolResultBlock(Struct, tag="tool_result", tag_field="type"):
    """What a tool gave."""

    tool_use_id: str
    content: str | list[TextBlock | ImageBlock] | None = None
    is_error: bool | None = None
    toolset_name: None = None
    cache_control: msgspec.Raw = NULL


class UserMessage(Struct, tag="user", tag_field="role"):
    """What the user says, and what tools gave."""

    content: str | list[TextBlock | ImageBlock | ToolResultBlock]


class AssistantMessage(Struct, tag="assistant", tag_field="role"):
    """An earlier answer, sent back as it came."""

    content: str | list[TextBlock | ThinkingBlock | RedactedBlock | ToolUseBlock]


class SystemMessage(Struct, tag="system", tag_field="role"):
    """An instruction in the middle of the conversation."""

    content: str | list[TextBlock]


AnyMessage = UserMessage | AssistantMessage | SystemMessage


class Tool(Struct):
    """A function that the client offers. How its arguments are streamed is left out."""

    name: str
    input_schema: msgspec.Raw
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    allowed_callers: list[Literal["direct"]] | None = None
    input_examples: None = None
    defer_loading: None = None
    eager_input_streaming: msgspec.Raw = NULL
    cache_control: msgspec.Raw = NULL


class AutoChoice(Struct, tag="auto", tag_field="type"):
    """The model decides."""

    disable_parallel_tool_use: bool | None = None


class AnyChoice(Struct, tag="any", tag_field="type"):
    """Some tool must be called."""

    disable_parallel_tool_use: bool | None = None


class NamedChoice(Struct, tag="tool", tag_field="type"):
    """This tool must be called."""

    name: str
    disable_parallel_tool_use: bool | None = None


class NoChoice(Struct, tag="none", tag_field="type"):
    """No tool may be called."""


AnyToolChoice = AutoChoice | AnyChoice | NamedChoice | NoChoice


class Enabled(Struct, tag="enabled", tag_field="type"):
    """Think within a budget."""

    budget_tokens: int
    display: Literal["summarized", "omitted"] | None = None


class Adaptive(Struct, tag="adaptive", tag_field="type"):
    """Think as much as the question deserves."""

    display: Literal["summarized", "omitted"] | None = None


class Disabled(Struct, tag="disabled", tag_field="type"):
    """Do not think."""


AnyThinking = Enabled | Adaptive | Disabled


class SchemaFormat(Struct, tag="json_schema", tag_field="type"):
    """JSON of this schema."""

    schema: msgspec.Raw


class OutputConfig(Struct):
    """How much effort, and in which form."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: SchemaFormat | None = None


class Metadata(Struct):
    """Whose request it is."""

    user_id: str | None = None


class ClearThinking(Struct, tag="clear_thinking_20251015", tag_field="type"):
    """Forget earlier thoughts, which only their own vendor reads anyway. Left out."""

    keep: msgspec.Raw = NULL


class ContextManagement(Struct):
    """Anthropic's own editing of the conversation; other edits would change what another vendor's model reads."""

    edits: list[ClearThinking] | None = None


class Request(msgspec.Struct):
    """The fields that are carried. The others are checked before."""

    messages: list[AnyMessage]
    max_tokens: int
    system: str | list[TextBlock] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[Tool] | None = None
    tool_choice: AnyToolChoice | None = None
    thinking: AnyThinking | None = None
    output_config: OutputConfig | None = None
    metadata: Metadata | None = None
    context_management: ContextManagement | None = None
