"""Builds the sandbox's replies: the same request gives the same bytes."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from bursar_plugin_sandbox.requests import MODEL, ChatRequest, count_tokens, cut_to_tokens

FINGERPRINT = "bursar-sandbox"
CREATED = 1_764_547_200
"""The time every reply was created (2025-12-01): a clock would make equal requests differ."""

_FILLER = ("sand", "box ")
"""One token each, so that `tokens=N` gives N chunks."""
_GREETING = "This is the Bursar sandbox; no model was asked."
_PIECES = re.compile(r"\s*\S+\s*")
_SAMPLES: dict[str, Any] = {"string": "sandbox", "integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What every choice of the reply says: pieces of text, or one tool call. `tokens` counts one choice."""

    pieces: tuple[str, ...]
    tool_call: dict[str, Any] | None
    finish_reason: str
    tokens: int


def answer(request: ChatRequest) -> Answer:
    """Return the answer to a request, cut to its maximum."""
    directives = request.directives
    if request.tool is not None:
        return _tool_answer(request, request.tool)
    if directives.tokens is not None:
        tokens = min(directives.tokens, request.max_tokens)
        pieces, is_cut = (_FILLER * tokens)[:tokens], tokens < directives.tokens
    else:
        whole = f"{_GREETING} You said: {request.text}" if request.text else _GREETING
        text = cut_to_tokens(whole, request.max_tokens)
        pieces, is_cut, tokens = tuple(_PIECES.findall(text)), text != whole, max(1, count_tokens(text))
    finish = directives.finish or ("length" if is_cut else "stop")
    return Answer(pieces=pieces, tool_call=None, finish_reason=finish, tokens=tokens)


def whole_reply(request: ChatRequest, said: Answer) -> bytes:
    """Return the body of a reply that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.pieces) or None, "refusal": None}
    if said.tool_call is not None:
        message["tool_calls"] = [said.tool_call]
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": said.finish_reason}
        for index in range(request.choices)
    ]
    reply = {**_head(request, "chat.completion"), "choices": choices}
    if not request.directives.no_usage:
        reply["usage"] = usage(request, said)
    return msgspec.json.encode(reply)


def stream_events(request: ChatRequest, said: Answer) -> Iterator[bytes]:
    """Yield the events of a streamed reply, the last one being `[DONE]`."""
    head = _head(request, "chat.completion.chunk")
    reports = request.include_usage and not request.directives.no_usage
    waiting: dict[str, Any] = {"usage": None} if reports else {}
    for number, (delta, finish) in enumerate(_deltas(said)):
        if request.directives.usage == "running":
            waiting = {"usage": _running(request, said, min(number, said.tokens))}
        for index in range(request.choices):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            yield _event({**head, "choices": [choice], **waiting})
    if reports:
        yield _event({**head, "choices": [], "usage": usage(request, said)})
    yield b"data: [DONE]\n\n"


def error_event() -> bytes:
    """Return an error inside a stream that began well."""
    return _event({"error": {"message": "The sandbox was told to fail in its stream.", "code": "sandbox_error"}})


def error_body(status: int, code: str, message: str) -> bytes:
    """Return an error reply in OpenAI's shape."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


def usage(request: ChatRequest, said: Answer) -> dict[str, Any]:
    """Return the usage of all choices, as OpenAI reports it."""
    reasoning = min(request.directives.reasoning, request.max_tokens - said.tokens)
    completion = (said.tokens + reasoning) * request.choices
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": request.prompt_tokens + completion,
        "prompt_tokens_details": {
            "cached_tokens": min(request.directives.cached, request.prompt_tokens),
            "audio_tokens": 0,
        },
        "completion_tokens_details": {"reasoning_tokens": reasoning * request.choices, "audio_tokens": 0},
    }


def _running(request: ChatRequest, said: Answer, tokens: int) -> dict[str, Any]:
    """Return the usage so far, as vendors report it that count along."""
    return usage(request, msgspec.structs.replace(said, tokens=tokens))


def _deltas(said: Answer) -> Iterator[tuple[dict[str, Any], str | None]]:
    yield {"role": "assistant", "content": "" if said.tool_call is None else None}, None
    for piece in said.pieces:
        yield {"content": piece}, None
    if said.tool_call is not None:
        function = said.tool_call["function"]
        opening = {**said.tool_call, "function": {"name": function["name"], "arguments": ""}, "index": 0}
        yield {"tool_calls": [opening]}, None
        yield {"tool_calls": [{"index": 0, "function": {"arguments": function["arguments"]}}]}, None
    yield {}, said.finish_reason


def _tool_answer(request: ChatRequest, function: dict[str, Any]) -> Answer:
    schema = function.get("parameters")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    arguments = {
        name: _SAMPLES.get(str(part.get("type")), "sandbox") if isinstance(part, dict) else "sandbox"
        for name, part in (properties.items() if isinstance(properties, dict) else ())
    }
    text = msgspec.json.encode(arguments).decode()
    call = {
        "id": f"call_{_digest(request)[:24]}",
        "type": "function",
        "function": {"name": function["name"], "arguments": text},
    }
    tokens = min(request.max_tokens, count_tokens(function["name"] + text))
    return Answer(pieces=(), tool_call=call, finish_reason=request.directives.finish or "tool_calls", tokens=tokens)


def _head(request: ChatRequest, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-sandbox-{_digest(request)[:24]}",
        "object": kind,
        "created": CREATED,
        "model": MODEL,
        "system_fingerprint": FINGERPRINT,
    }


def _digest(request: ChatRequest) -> str:
    return hashlib.sha256(request.body).hexdigest()


def _event(payload: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(payload) + b"\n\n"
