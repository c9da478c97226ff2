"""Reads what a client asks of the sandbox: the chat request and the directives in its text."""

import math
import re
from typing import Any

import msgspec

MODEL = "sandbox-1"
CONTEXT_TOKENS = 128_000
MAX_OUTPUT_TOKENS = 4_096
MAX_DELAY_MS = 600_000

_BYTES_PER_TOKEN = 4
_DIRECTIVES = re.compile(r"\[sandbox:([^\]]*)\]")
_NUMBERS = {
    "fail": (400, 599),
    "delay_ms": (0, MAX_DELAY_MS),
    "chunk_delay_ms": (0, MAX_DELAY_MS),
    "tokens": (1, MAX_OUTPUT_TOKENS),
    "cached": (0, CONTEXT_TOKENS),
    "reasoning": (0, MAX_OUTPUT_TOKENS),
}
_WORDS = {
    "stall": {"first-byte", "mid-stream"},
    "cut": {"mid-stream"},
    "error": {"mid-stream"},
    "usage": {"running"},
    "finish": {"stop", "length", "content_filter", "tool_calls"},
}


class RequestRefused(Exception):
    """The sandbox refuses as a vendor would: a status, a code, and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Directives(msgspec.Struct, frozen=True, kw_only=True):
    """How the request tells the sandbox to behave. Delays in milliseconds, counts in tokens, `fail` an HTTP status."""

    fail: int | None = None
    delay_ms: int = 0
    chunk_delay_ms: int = 0
    tokens: int | None = None
    cached: int = 0
    reasoning: int = 0
    no_usage: bool = False
    stall: str | None = None
    cut: str | None = None
    error: str | None = None
    usage: str | None = None
    finish: str | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the sandbox answers."""

    text: str
    prompt_tokens: int
    max_tokens: int
    choices: int
    stream: bool
    include_usage: bool
    tool: dict[str, Any] | None
    directives: Directives
    body: bytes


def count_tokens(text: str) -> int:
    """Return one token per four bytes of UTF-8, rounded up."""
    return math.ceil(len(text.encode()) / _BYTES_PER_TOKEN)


def cut_to_tokens(text: str, tokens: int) -> str:
    """Return the longest beginning of the text that has at most so many tokens."""
    return text.encode()[: tokens * _BYTES_PER_TOKEN].decode(errors="ignore")


def read_request(body: bytes) -> ChatRequest:
    """Read a chat request. Raises RequestRefused as a vendor would refuse it."""
    request = _decode(body)
    messages, tools = request["messages"], request.get("tools") or []
    texts = [_text(message) for message in messages]
    spoken = [text for text, message in zip(texts, messages, strict=True) if message.get("role") == "user"]
    text = spoken[-1] if spoken else ""
    prompt = sum(count_tokens(item) for item in texts)
    prompt += count_tokens(msgspec.json.encode(tools).decode()) if tools else 0
    if prompt > CONTEXT_TOKENS:
        raise RequestRefused(400, "context_length_exceeded", f"The sandbox takes at most {CONTEXT_TOKENS} tokens.")
    options = request.get("stream_options") or {}
    is_answer_to_user = bool(messages) and messages[-1].get("role") == "user"
    return ChatRequest(
        text=_DIRECTIVES.sub("", text).strip(),
        prompt_tokens=max(1, prompt),
        max_tokens=_maximum(request),
        choices=_integer(request, "n", 1, 128) or 1,
        stream=request.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        tool=_wanted_tool(text, tools, request.get("tool_choice")) if is_answer_to_user else None,
        directives=read_directives(text),
        body=body,
    )


def read_directives(text: str) -> Directives:
    """Read `[sandbox: name=value, ...]`. Raises RequestRefused for a directive that is none."""
    found: dict[str, Any] = {}
    for group in _DIRECTIVES.findall(text):
        for item in filter(None, re.split(r"[,\s]+", group)):
            name, _, value = item.partition("=")
            found[name] = _directive(name, value)
    return Directives(**found)


def _directive(name: str, value: str) -> int | str | bool:
    if name == "no_usage" and not value:
        return True
    if value in _WORDS.get(name, ()):
        return value
    low, high = _NUMBERS.get(name, (1, 0))
    if value.isascii() and value.isdigit() and len(value) < 10 and low <= int(value) <= high:
        return int(value)
    raise RequestRefused(400, "unknown_directive", f"The sandbox knows no directive {name!r} with the value {value!r}.")


def _decode(body: bytes) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestRefused(400, "invalid_json", "The body is not JSON.") from error
    messages = request.get("messages") if isinstance(request, dict) else None
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise RequestRefused(400, "invalid_request_error", "The field 'messages' must be an array of messages.")
    if request.get("model") != MODEL:
        raise RequestRefused(404, "model_not_found", f"The sandbox has one model, {MODEL!r}.")
    return dict(request)


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _integer(request: dict[str, Any], name: str, low: int, high: int) -> int | None:
    value = request.get(name)
    if value is None:
        return None
    if type(value) is not int or not low <= value <= high:
        raise RequestRefused(400, "invalid_request_error", f"The field {name!r} must be from {low} to {high}.")
    return value


def _maximum(request: dict[str, Any]) -> int:
    caps = [_integer(request, name, 1, 2**31 - 1) for name in ("max_tokens", "max_completion_tokens")]
    return min([MAX_OUTPUT_TOKENS, *(cap for cap in caps if cap is not None)])


def _wanted_tool(text: str, tools: list[Any], choice: Any) -> dict[str, Any] | None:
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)]
    named = [function for function in functions if isinstance(function, dict) and isinstance(function.get("name"), str)]
    if choice == "none":
        return None
    if isinstance(choice, dict):
        wanted = (choice.get("function") or {}).get("name")
        return next((function for function in named if function["name"] == wanted), None)
    mentioned = next((function for function in named if function["name"] in text), None)
    return mentioned or (named[0] if named and choice == "required" else None)
