"""The bytes of the bench: one request and its two canned replies, the same for every case.

A translated call says the same in Anthropic's words, and is answered by the same upstream.
"""

import json
from collections.abc import Callable

REQUEST_BYTES = 916
STREAM_EVENTS = 100
CHAT_PATH = "/v1/chat/completions"
MESSAGES_PATH = "/v1/messages"
# A stream whose prompt holds this word is sent slowly, so that many can be held open at once.
SLOW_WORD = "slowly"

_HEAD = {"id": "chatcmpl-bench0000000000000000", "created": 1790000000, "model": "bench-model"}
_ANSWER = "Costs are booked to the centre that caused them, and nothing is spent that was not granted before. " * 3
_USAGE = {
    "prompt_tokens": 182,
    "completion_tokens": 64,
    "total_tokens": 246,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _chunk(choices: list[object], usage: object = None) -> bytes:
    document = {**_HEAD, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
    return b"data: " + _compact(document) + b"\n\n"


def _event(number: int) -> bytes:
    delta = {"role": "assistant", "content": ""} if number == 0 else {"content": f" word{number}"}
    return _chunk([{"index": 0, "delta": delta, "finish_reason": None}])


def _chat_reply() -> bytes:
    message = {"role": "assistant", "content": _ANSWER.strip(), "refusal": None}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    return _compact({**_HEAD, "object": "chat.completion", "choices": choices, "usage": _USAGE})


CHAT_REPLY = _chat_reply()
# 100 events: 98 with content, the one that ends the choice, the one with the usage; then the end mark.
EVENTS: tuple[bytes, ...] = (
    *(_event(number) for number in range(STREAM_EVENTS - 2)),
    _chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    _chunk([], _USAGE),
    b"data: [DONE]\n\n",
)
STREAM_REPLY = b"".join(EVENTS)


def chat_body(model: str, *, is_stream: bool, is_slow: bool = False) -> bytes:
    """Return a chat request of exactly REQUEST_BYTES bytes that names its maximum and, as a stream, asks for usage."""
    document: dict[str, object] = {"model": model, "max_completion_tokens": 256, "temperature": 0.2}
    if is_stream:
        document |= {"stream": True, "stream_options": {"include_usage": True}}
    word = SLOW_WORD if is_slow else "quickly"
    system = {"role": "system", "content": f"Answer {word}."}
    return _padded(document, lambda text: {"messages": [system, {"role": "user", "content": text}]})


def messages_body(model: str, *, is_stream: bool, is_slow: bool = False) -> bytes:
    """Return the same request in Anthropic's words, of as many bytes."""
    document: dict[str, object] = {"model": model, "max_tokens": 256, "temperature": 0.2}
    if is_stream:
        document["stream"] = True
    document["system"] = f"Answer {SLOW_WORD if is_slow else 'quickly'}."
    return _padded(document, lambda text: {"messages": [{"role": "user", "content": text}]})


def _padded(document: dict[str, object], said: Callable[[str], dict[str, object]]) -> bytes:
    padding = REQUEST_BYTES - len(_compact(document | said("")))
    return _compact(document | said(("Explain how costs are allocated to teams. " * 40)[:padding]))


def holds_answer(reply: bytes, *, is_stream: bool) -> bool:
    """Return whether a translated reply has all that the upstream said: its words, its counts and an end."""
    if is_stream:
        words = [f" word{number}".encode() for number in range(1, STREAM_EVENTS - 2)]
        return all(word in reply for word in words) and b'"output_tokens":64' in reply and b"message_stop" in reply
    return _ANSWER.strip().encode() in reply and b'"output_tokens":64' in reply and b"end_turn" in reply


def holds_same_answer(reply: bytes) -> bool:
    """Return whether a chat reply that was written anew has the upstream's words and counts."""
    document = json.loads(reply)
    counts = document["usage"]["prompt_tokens"], document["usage"]["completion_tokens"]
    return document["choices"][0]["message"]["content"] == _ANSWER.strip() and counts == (182, 64)


def http_request(port: int, key: str, body: bytes, *, path: str = CHAT_PATH, headers: tuple[str, ...] = ()) -> bytes:
    """Return the whole HTTP/1.1 request that a client sends."""
    more = "".join(f"{header}\r\n" for header in headers)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nAccept: */*\r\nUser-Agent: bench\r\n{more}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
