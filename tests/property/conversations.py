"""Conversations, answers and streams that a wire has words for, and what strangers make of them."""

import itertools
import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from governance.gateway.translation import Circumstances, Dialect, StreamShape, chat, gemini, messages, responses
from governance.gateway.translation.canonical import (
    Answer,
    AnswerBegan,
    AnswerEnded,
    AnswerPart,
    Conversation,
    Delta,
    Effort,
    Event,
    InlineImage,
    LinkedImage,
    Message,
    Part,
    PartBegan,
    PartEnded,
    ProofGiven,
    Reasoning,
    ReplyFormat,
    Role,
    Sampling,
    Stop,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
)
from governance.gateway.translation.wires import WireFormat
from governance.plugin.usage import Usage

CHAT, MESSAGES, GEMINI = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI
RESPONSES = Dialect.OPENAI_RESPONSES
FORMATS: dict[Dialect, WireFormat] = {
    CHAT: chat.FORMAT,
    MESSAGES: messages.FORMAT,
    GEMINI: gemini.FORMAT,
    RESPONSES: responses.FORMAT,
}
CIRCUMSTANCES = Circumstances(created_at_seconds=1_700_000_000, request_id="req_1", model="asked")
SHAPE = StreamShape(wants_usage=True)

encoded = msgspec.json.encode
TEXTS = st.sampled_from(
    ["a", "two words", "Zeile\nzwei", '"quoted" \\ {"x": 1}', "\x00\x1f", "東京 🗼", "data: x\r\n\r\n"]
)
NAMES = st.sampled_from(["a", "b_c", "weather"])
OBJECTS = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers(-9, 9) | TEXTS, max_size=3)
RAW_OBJECTS = OBJECTS.map(lambda value: msgspec.Raw(msgspec.json.encode(value)))
ARGUMENTS = OBJECTS.map(lambda value: msgspec.json.encode(value).decode())
IMAGES = st.builds(InlineImage, st.sampled_from(["image/png", "image/webp"]), st.sampled_from(["AAAA", "iVBORw0="]))
LINKS = st.sampled_from(["https://example.test/a.png", "http://example.test/b"]).map(LinkedImage)
RATES = st.none() | st.floats(0, 1)
COUNTS = st.integers(0, 10**9)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts that every wire can say: without writes to a cache."""
    read, visible, thought = draw(COUNTS), draw(COUNTS), draw(COUNTS)
    return Usage(
        input_tokens=read + draw(COUNTS),
        output_tokens=visible + thought,
        cache_read_input_tokens=read,
        reasoning_output_tokens=thought,
    )


@st.composite
def thoughts(draw: st.DrawFn, origins: tuple[Dialect, ...]) -> Reasoning:
    """A thought as its own vendor's wire can have it."""
    origin = draw(st.sampled_from(origins))
    if origin == CHAT:
        return Reasoning(draw(TEXTS), origin)
    if origin == MESSAGES and draw(st.booleans()):
        return Reasoning("", origin, draw(TEXTS), is_redacted=True)
    return Reasoning(draw(TEXTS), origin, draw(TEXTS))


def answer_parts(origins: tuple[Dialect, ...]) -> st.SearchStrategy[tuple[AnswerPart, ...]]:
    """In the order in which the chat wire has its fields, which the others have too: thoughts, text, calls."""
    calls = st.lists(st.tuples(NAMES, ARGUMENTS), max_size=2).map(
        lambda given: [ToolCall(f"call_{number}", *call) for number, call in enumerate(given)]
    )
    proofs = st.lists(thoughts(origins), max_size=2) if origins else st.just([])
    return st.tuples(proofs, st.lists(TEXTS.map(Text), max_size=1), calls).map(
        lambda parts: tuple(itertools.chain(*parts))
    )


@st.composite
def turns(draw: st.DrawFn, dialect: Dialect) -> tuple[Message, ...]:
    """Turns of user and assistant, where results follow the calls that they are of, ending with the user's."""
    origins = {CHAT: (), MESSAGES: (MESSAGES,), GEMINI: (GEMINI,), RESPONSES: (RESPONSES,)}[dialect]
    seen = [TEXTS.map(Text), IMAGES, LINKS]
    turns = [Message(Role.USER, tuple(draw(st.lists(st.one_of(seen), min_size=1, max_size=3))))]
    for number in range(draw(st.integers(0, 2))):
        parts = draw(answer_parts(origins).filter(any_said))
        renamed = [
            msgspec.structs.replace(part, id=f"{part.id}_{number}") if isinstance(part, ToolCall) else part
            for part in parts
        ]
        turns.append(Message(Role.ASSISTANT, tuple(renamed)))
        results: list[Part] = [draw(result(dialect, part)) for part in renamed if isinstance(part, ToolCall)]
        said = draw(st.lists(st.one_of(seen), min_size=0 if results else 1, max_size=2))
        turns.append(Message(Role.USER, (*results, *said)))
        if dialect != GEMINI and draw(st.booleans()):
            turns.append(Message(Role.SYSTEM, (Text(draw(TEXTS)),)))
            turns.append(Message(Role.USER, (Text(draw(TEXTS)),)))
    return tuple(turns)


def any_said(parts: tuple[AnswerPart, ...]) -> bool:
    return any(not isinstance(part, Reasoning) for part in parts)


def result(dialect: Dialect, call: ToolCall) -> st.SearchStrategy[ToolResult]:
    texts = st.lists(TEXTS.map(Text), max_size=1)
    images = st.lists(IMAGES, max_size=1) if dialect != CHAT else st.just([])
    is_error = st.booleans() if dialect in (MESSAGES, GEMINI) else st.sampled_from([False])
    content = st.tuples(texts, images).map(lambda lists: (*lists[0], *lists[1]))
    return st.builds(ToolResult, st.just(call.id), st.just(call.name), content, is_error)


@st.composite
def conversations(draw: st.DrawFn, dialect: Dialect) -> Conversation:
    """A conversation that this wire has words for."""
    is_strict = draw(st.booleans())
    tools = [
        Tool(
            name=f"{draw(NAMES)}{number}",
            description=draw(st.none() | TEXTS),
            schema=draw(RAW_OBJECTS),
            is_strict=is_strict,
        )
        for number in range(draw(st.integers(0, 2)))
    ]
    return Conversation(
        messages=draw(turns(dialect)),
        system=tuple(draw(st.lists(TEXTS, max_size=2))),
        tools=tuple(tools),
        tool_choice=draw(choices(tools, dialect)) if tools else None,
        allows_parallel_calls=None,
        sampling=draw(samplings(dialect)),
        stop=() if dialect == RESPONSES else tuple(draw(st.lists(TEXTS, max_size=2))),
        maximum_output_tokens=draw(st.integers(1, 10**6)),
        reply_format=draw(formats(dialect)),
        thinking=draw(efforts(dialect)),
        verbosity=draw(st.sampled_from([None, "low", "high"])) if dialect in (CHAT, RESPONSES) else None,
        user_id=None if dialect == GEMINI else draw(st.none() | NAMES),
        is_streamed=draw(st.booleans()),
    )


def choices(tools: list[Tool], dialect: Dialect) -> st.SearchStrategy[ToolChoice | None]:
    named = ToolChoice(ToolMode.REQUIRED, (tools[0].name,))
    offered = [named, ToolChoice(ToolMode.REQUIRED), ToolChoice(ToolMode.NONE)]
    if dialect == GEMINI:
        # The mode that holds calls to their schemas is a kind of auto, so the other modes do not say it.
        return st.just(ToolChoice(ToolMode.AUTO)) if tools[0].is_strict else st.sampled_from([None, *offered])
    return st.sampled_from([None, ToolChoice(ToolMode.AUTO), *offered])


def samplings(dialect: Dialect) -> st.SearchStrategy[Sampling]:
    top_k = st.none() | st.integers(1, 99) if dialect in (MESSAGES, GEMINI) else st.none()
    more = RATES if dialect in (CHAT, GEMINI) else st.none()
    seed = st.none() | st.integers(0, 99) if dialect in (CHAT, GEMINI) else st.none()
    return st.builds(
        Sampling, temperature=RATES, top_p=RATES, top_k=top_k, frequency_penalty=more, presence_penalty=more, seed=seed
    )


def formats(dialect: Dialect) -> st.SearchStrategy[ReplyFormat | None]:
    strict = st.builds(lambda schema: ReplyFormat(schema=schema, is_strict=True), RAW_OBJECTS)
    if dialect == MESSAGES:
        return st.none() | strict
    if dialect == GEMINI:
        return st.none() | strict | st.just(ReplyFormat())
    described = st.builds(
        ReplyFormat, schema=RAW_OBJECTS, name=NAMES, description=st.none() | TEXTS, is_strict=st.booleans()
    )
    return st.none() | described | st.just(ReplyFormat())


def efforts(dialect: Dialect) -> st.SearchStrategy[Thinking | None]:
    if dialect == CHAT:
        return st.none() | st.sampled_from(Effort).map(lambda effort: Thinking(effort=effort))
    if dialect == GEMINI:
        levels = st.sampled_from([None, *Effort]).filter(lambda effort: effort != Effort.MAX)
        shown = st.none() | st.booleans()
        return st.builds(Thinking, effort=levels, is_shown=shown).filter(lambda thinking: thinking != Thinking())
    if dialect == RESPONSES:
        efforts = st.sampled_from([None, *Effort])
        shown = st.sampled_from([None, True])
        return st.builds(Thinking, effort=efforts, is_shown=shown).filter(lambda thinking: thinking != Thinking())
    return st.none()


@st.composite
def answers(draw: st.DrawFn, origins: tuple[Dialect, ...]) -> Answer:
    parts = draw(answer_parts(origins).filter(any_said))
    calls = any(isinstance(part, ToolCall) for part in parts)
    return Answer(
        id="answer",
        model="served",
        parts=parts,
        stop=Stop.TOOL_CALLS if calls else draw(st.sampled_from([Stop.END, Stop.MAXIMUM, Stop.REFUSED])),
        usage=draw(usages()),
    )


@st.composite
def streams(draw: st.DrawFn, origins: tuple[Dialect, ...]) -> tuple[Answer, list[Event]]:
    """An answer, and the events that tell it, with every text in pieces."""
    answer = draw(answers(origins))
    events: list[Event] = [AnswerBegan(id=answer.id, model=answer.model)]
    for part in answer.parts:
        text = part.arguments if isinstance(part, ToolCall) else part.text
        cut = draw(st.integers(0, len(text)))
        events.append(PartBegan(empty(part)))
        events += [Delta(piece) for piece in (text[:cut], text[cut:]) if piece]
        if isinstance(part, Reasoning) and part.proof is not None:
            events.append(ProofGiven(part.proof))
        events.append(PartEnded())
    return answer, [*events, AnswerEnded(stop=answer.stop, usage=answer.usage)]


def empty(part: AnswerPart) -> AnswerPart:
    if isinstance(part, ToolCall):
        return msgspec.structs.replace(part, arguments="")
    if isinstance(part, Reasoning):
        return msgspec.structs.replace(part, text="", proof=None)
    return Text("")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *[place for key, item in inner for place in places(item, (*path, key))]]


def spoilt(body: bytes, data: st.DataObject) -> bytes:
    """Put anything in the place of anything."""
    whole = json.loads(body)
    path = data.draw(st.sampled_from(places(whole)))
    anything = data.draw(JSON_VALUES)
    if not path:
        return encoded(anything)
    holder = whole
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = anything
    return encoded(whole)
