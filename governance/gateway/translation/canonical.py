"""The one form between the wires: what a client asked, what a vendor answered, and the events of a stream.

Nothing here belongs to a wire. Readers bring a conversation into its normal form, so that writers need no cases:
messages of one role that follow each other are one message, a message that says nothing is left out, empty texts are
left out, and texts that follow each other in an answer are one text.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

from governance.plugin.usage import Usage


class Dialect(StrEnum):
    """A wire that can be translated, named as `governance.plugin.Wire` names it."""

    OPENAI_CHAT = "openai.chat"
    ANTHROPIC_MESSAGES = "anthropic.messages"
    GEMINI = "gemini.generate"
    OPENAI_RESPONSES = "openai.responses"


class Role(StrEnum):
    """Who speaks. Results of tools are said by the user; `SYSTEM` is an instruction in the middle of a conversation."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class Text(msgspec.Struct, frozen=True):
    """Plain text."""

    text: str


class InlineImage(msgspec.Struct, frozen=True):
    """An image by value: its media type, such as image/png, and its bytes in base64."""

    media_type: str
    data: str


class LinkedImage(msgspec.Struct, frozen=True):
    """An image by reference: an http or https address that the vendor fetches."""

    url: str
    media_type: str | None = None


class Reasoning(msgspec.Struct, frozen=True):
    """What a model thought before it spoke.

    `origin` is the wire of the vendor whose model thought it. `proof` is that vendor's opaque signature, without which
    it does not take its own thoughts back; a signature alone has an empty text. `is_redacted`: the proof is all there
    is, because the vendor encrypted the thought.
    """

    text: str
    origin: Dialect
    proof: str | None = None
    is_redacted: bool = False


class ToolCall(msgspec.Struct, frozen=True):
    """The model asks for a tool. `arguments` is JSON text as the model wrote it, which need not be valid."""

    id: str
    name: str
    arguments: str


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool gave, for the call of this id."""

    call_id: str
    name: str
    content: tuple[Text | InlineImage | LinkedImage, ...]
    is_error: bool = False


Part = Text | InlineImage | LinkedImage | Reasoning | ToolCall | ToolResult
AnswerPart = Text | Reasoning | ToolCall


class Message(msgspec.Struct, frozen=True):
    """One turn."""

    role: Role
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the client offers. `schema` is the JSON Schema of its arguments; None takes no arguments."""

    name: str
    description: str | None = None
    schema: msgspec.Raw | None = None
    is_strict: bool = False


class ToolMode(StrEnum):
    """Whether the model may, must or must not call a tool."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class ToolChoice(msgspec.Struct, frozen=True):
    """`names`: the only tools that may be called; empty for any of them."""

    mode: ToolMode
    names: tuple[str, ...] = ()


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is drawn; None leaves it to the vendor."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None


class Effort(StrEnum):
    """How much the model is to think, from not at all to all it can."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class Thinking(msgspec.Struct, frozen=True, kw_only=True):
    """What the client asks of the model's reasoning: an effort, or a budget in tokens, and whether to be shown it."""

    effort: Effort | None = None
    budget_tokens: int | None = None
    is_shown: bool | None = None


class ReplyFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The answer is to be JSON: of this JSON Schema, or any where there is none."""

    schema: msgspec.Raw | None = None
    name: str | None = None
    description: str | None = None
    is_strict: bool = False


Verbosity: TypeAlias = Literal["low", "medium", "high"]


class ClientTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool of the client's that its vendor knows as a function of another name, or of another kind.

    `is_text`: it takes a text, which the function has as its only argument.
    """

    name: str
    namespace: str | None = None
    is_text: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a wire must know of the request to write its answers, as the Responses wire does.

    `repeated` are fields of the request that stand again in the answer; `tools` are by the name that the vendor knows.
    """

    repeated: Mapping[str, msgspec.Raw] = {}
    tools: Mapping[str, ClientTool] = {}


NOTHING_ASKED = Asked()


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `system` are the instructions that stand before the first message, in their order."""

    messages: tuple[Message, ...]
    system: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    allows_parallel_calls: bool | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    maximum_output_tokens: int | None = None
    reply_format: ReplyFormat | None = None
    thinking: Thinking | None = None
    verbosity: Verbosity | None = None
    user_id: str | None = None
    is_streamed: bool = False
    wants_usage: bool = True
    """Whether the client of a stream is shown usage: only the OpenAI chat wire leaves that open."""
    asked: Asked = NOTHING_ASKED


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer of requests must know of the vendor, which the client's wire does not say.

    `maximum_field` is what this vendor calls the maximum of output tokens, where its wire has several words for it.
    `default_maximum_tokens` stands in where the client gave no maximum and the vendor's wire needs one.
    """

    model: str
    default_maximum_tokens: int | None = None
    maximum_field: str = "max_completion_tokens"


class Stop(StrEnum):
    """Why an answer ended."""

    END = "end"
    STOP_SEQUENCE = "stop_sequence"
    MAXIMUM = "maximum"
    TOOL_CALLS = "tool_calls"
    REFUSED = "refused"
    """The vendor's filters, or the model itself, declined."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply. `usage` is what the client is shown: the books have the vendor's own report."""

    id: str
    model: str
    parts: tuple[AnswerPart, ...]
    stop: Stop
    stop_sequence: str | None = None
    usage: Usage | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's error. `status` is its HTTP status, or the one its name stands for when it came inside a stream."""

    status: int
    message: str
    code: str | None = None


class AnswerBegan(msgspec.Struct, frozen=True, kw_only=True):
    """The first event. `usage` is what is known of it so far."""

    id: str
    model: str
    usage: Usage | None = None


class PartBegan(msgspec.Struct, frozen=True):
    """A part begins, empty. Parts follow each other: one ends before the next begins."""

    part: AnswerPart


class Delta(msgspec.Struct, frozen=True):
    """More of the current part: of its text, or of a call's arguments."""

    text: str


class ProofGiven(msgspec.Struct, frozen=True):
    """The signature of the current part, which is reasoning."""

    proof: str


class PartEnded(msgspec.Struct, frozen=True):
    """The current part is complete."""


class AnswerEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The last event of an answer that is complete."""

    stop: Stop
    stop_sequence: str | None = None
    usage: Usage | None = None


class Failed(msgspec.Struct, frozen=True):
    """The last event of an answer that is not."""

    failure: Failure


Event = AnswerBegan | PartBegan | Delta | ProofGiven | PartEnded | AnswerEnded | Failed
