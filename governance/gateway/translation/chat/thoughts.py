"""Where the chat wire has room for reasoning and its signatures: nowhere officially, so vendors' own words are used.

`reasoning_content` is the text, as DeepSeek, Qwen, GLM and xAI write it. `reasoning_details` holds each thought with
its signature and whose it is, as OpenRouter writes it, and `extra_content` of a call the signature of a Gemini call, as
Google's own chat wire writes it. A client that sends answers back as they came gives their vendor its thoughts back.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from governance.gateway.translation.canonical import Dialect, Part, Reasoning, ToolCall
from governance.gateway.translation.chat.request import ExtraContent, ReasoningDetail

_FORMATS = {
    Dialect.ANTHROPIC_MESSAGES: "anthropic-claude-v1",
    Dialect.GEMINI: "google-gemini-v1",
    Dialect.OPENAI_RESPONSES: "openai-responses-v1",
}
_ORIGINS = {written: origin for origin, written in _FORMATS.items()}


def thoughts_of(details: Iterable[ReasoningDetail] | None, text: str | None) -> list[Reasoning]:
    """Return an earlier answer's thoughts: those with a signature where there are any, else the text alone, which is
    then a vendor's of the chat wire.
    """
    joined: list[Reasoning] = []
    origin: Dialect | None = None
    for detail in details or ():
        origin = _ORIGINS.get(detail.format) if detail.format else origin
        thought = _thought(detail, origin) if origin is not None else None
        if thought is None:
            continue
        # A client that collects a stream has a thought in the pieces that it came in; the last has the signature.
        if joined and joined[-1].proof is None and joined[-1].origin == thought.origin and not thought.is_redacted:
            thought = Reasoning(joined.pop().text + thought.text, thought.origin, thought.proof)
        joined.append(thought)
    if joined:
        return joined
    return [Reasoning(text, Dialect.OPENAI_CHAT)] if text else []


def proof_of_call(extra: ExtraContent | None, *, origin: Dialect) -> list[Reasoning]:
    """Return the signature that stands on a call, as the bare thought before it. In a request it is Gemini's; in an
    answer it is the signature of the vendor that speaks this wire.
    """
    if extra is None or extra.google is None or not extra.google.thought_signature:
        return []
    return [Reasoning("", origin, extra.google.thought_signature)]


def more_of(thought: Reasoning, *, index: int) -> dict[str, object]:
    """Return the entry for one more piece of a thought. It repeats no word of the first: OpenAI's SDK joins strings."""
    said = detail_of(thought, index=index)
    return {name: value for name, value in said.items() if name != "format" and value != ""}


def detail_of(thought: Reasoning, *, index: int) -> dict[str, object]:
    """Return the entry of `reasoning_details`."""
    entry: dict[str, object] = {"index": index}
    if written := _FORMATS.get(thought.origin):
        entry["format"] = written
    if thought.proof is not None and (thought.is_redacted or is_bare_proof(thought)):
        return {"type": "reasoning.encrypted", "data": thought.proof} | entry
    if thought.proof is not None:
        entry["signature"] = thought.proof
    return {"type": "reasoning.text", "text": thought.text} | entry


def extra_of_call(proof: str) -> dict[str, object]:
    """Return `extra_content` of a call."""
    return {"google": {"thought_signature": proof}}


def is_bare_proof(part: Part) -> bool:
    """Return whether this is a signature without a text, of a vendor that signs parts: it belongs to the part after
    it, if that is a call.
    """
    return (
        isinstance(part, Reasoning)
        and part.origin in (Dialect.GEMINI, Dialect.OPENAI_CHAT)
        and not part.text
        and part.proof is not None
    )


def call_proofs(parts: Sequence[Part], *, origin: Dialect) -> dict[int, str]:
    """Return, by the place of a call among these parts, the signature of this origin that stands right before it."""
    return {
        at: before.proof
        for at, (before, part) in enumerate(pairwise(parts), 1)
        if isinstance(part, ToolCall)
        and isinstance(before, Reasoning)
        and before.origin == origin
        and is_bare_proof(before)
        and before.proof
    }


def _thought(detail: ReasoningDetail, origin: Dialect) -> Reasoning | None:
    if detail.type == "reasoning.encrypted" and detail.data:
        return Reasoning("", origin, detail.data, is_redacted=origin == Dialect.ANTHROPIC_MESSAGES)
    if detail.type == "reasoning.text" and (detail.text or detail.signature):
        return Reasoning(detail.text or "", origin, detail.signature or None)
    return None
