"""Real vendors' answers, translated, and read by the stock SDKs of the other wires from a real HTTP server.

What the client's SDK sees of the translated bytes must be what the vendor's own SDK sees of the vendor's bytes.
"""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as google_errors
from google.genai import types as google

from governance.gateway.translation import Circumstances, Dialect, Framing, StreamShape, Translation
from governance.plugin.sse import EventSplitter
from tests.support.recordings import exchange

CHAT, MESSAGES, GEMINI = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI
RESPONSES = Dialect.OPENAI_RESPONSES
CIRCUMSTANCES = Circumstances(created_at_seconds=1_700_000_000, request_id="req_1", model="asked")
EVENTS, JSON = "text/event-stream", "application/json"


@dataclass
class Seen:
    """What an SDK makes of an answer, in nobody's words."""

    text: str = ""
    thoughts: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    tokens: tuple[int, int] = (0, 0)
    is_complete: bool = False


@dataclass
class Page:
    """What the server answers, whatever it is asked."""

    base_url: str
    status: int = 200
    content_type: str = JSON
    body: bytes = b""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    shown = Page("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(shown.status)
            self.send_header("content-type", shown.content_type)
            self.send_header("content-length", str(len(shown.body)))
            self.end_headers()
            self.wfile.write(shown.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shown.base_url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield shown
    server.shutdown()
    thread.join()
    server.server_close()


def recorded(name: str, number: int = 0) -> tuple[int, bytes]:
    response = exchange(name, number)["response"]
    return response["status"], response["body"].encode()


def datas(body: bytes) -> list[bytes | None]:
    """Return the events' data; an array's elements where the stream is one."""
    if body.startswith(b"["):
        return [json.dumps(chunk).encode() for chunk in json.loads(body)]
    splitter = EventSplitter()
    return [event.data for event in splitter.feed(body) + splitter.close()]


def as_events(body: bytes) -> bytes:
    """Return a stream that was recorded as an array in the framing that the SDK asks for."""
    if not body.startswith(b"["):
        return body
    return b"".join(b"data: %s\r\n\r\n" % data for data in datas(body) if data)


def translated(body: bytes, *, client: Dialect, vendor: Dialect, framing: Framing = Framing.EVENTS) -> bytes:
    stream = Translation(client=client, vendor=vendor).stream(
        CIRCUMSTANCES, StreamShape(wants_usage=True, framing=framing)
    )
    return b"".join([stream.feed(data) for data in datas(body)]) + stream.close()


def through_openai(page: Page) -> Seen:
    client = openai.OpenAI(base_url=f"{page.base_url}/v1", api_key="k", max_retries=0)
    seen = Seen()
    if page.content_type == JSON:
        reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        message = reply.choices[0].message
        seen.text = message.content or ""
        seen.thoughts = thoughts(message)
        seen.calls = [(call.function.name, arguments(call.function.arguments)) for call in message.tool_calls or ()]
        seen.tokens = tokens(reply.usage)
        seen.is_complete = reply.choices[0].finish_reason is not None
        return seen
    names: dict[int, str] = {}
    pieces: dict[int, str] = {}
    chunks = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True)
    for chunk in chunks:
        seen.tokens = tokens(chunk.usage) if chunk.usage else seen.tokens
        for choice in chunk.choices:
            seen.text += choice.delta.content or ""
            seen.thoughts += thoughts(choice.delta)
            seen.is_complete = seen.is_complete or choice.finish_reason is not None
            for call in choice.delta.tool_calls or ():
                names.setdefault(call.index, call.function.name)
                pieces[call.index] = pieces.get(call.index, "") + (call.function.arguments or "")
    seen.calls = [(name, arguments(pieces[index])) for index, name in sorted(names.items())]
    return seen


def thoughts(message: Any) -> str:
    extra = message.model_extra or {}
    return extra.get("reasoning_content") or extra.get("reasoning") or ""


def arguments(text: str) -> Any:
    return json.loads(text or "{}")


def tokens(usage: Any) -> tuple[int, int]:
    return usage.prompt_tokens, max(usage.completion_tokens, usage.total_tokens - usage.prompt_tokens)


def through_responses(page: Page) -> Seen:
    client = openai.OpenAI(base_url=f"{page.base_url}/v1", api_key="k", max_retries=0)
    if page.content_type == JSON:
        reply: Any = client.responses.create(model="m", input="x")
    else:
        with client.responses.stream(model="m", input="x") as stream:
            reply = [event for event in stream if hasattr(event, "response")][-1].response
    thoughts = [item.summary or item.content or () for item in reply.output if item.type == "reasoning"]
    return Seen(
        text=reply.output_text,
        thoughts="".join(piece.text for pieces in thoughts for piece in pieces),
        calls=[(item.name, arguments(item.arguments)) for item in reply.output if item.type == "function_call"],
        tokens=(reply.usage.input_tokens, reply.usage.output_tokens),
        is_complete=reply.status in ("completed", "incomplete"),
    )


def through_anthropic(page: Page) -> Seen:
    client = anthropic.Anthropic(base_url=page.base_url, api_key="k", max_retries=0)
    asked: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    if page.content_type == JSON:
        message: Any = client.messages.create(**asked)
    else:
        with client.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    usage = message.usage
    cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    return Seen(
        text="".join(block.text for block in message.content if block.type == "text"),
        thoughts="".join(block.thinking for block in message.content if block.type == "thinking"),
        calls=[(block.name, block.input) for block in message.content if block.type == "tool_use"],
        tokens=(usage.input_tokens + cached, usage.output_tokens),
        is_complete=message.stop_reason is not None,
    )


def through_google(page: Page) -> Seen:
    client = genai.Client(api_key="k", http_options=google.HttpOptions(base_url=page.base_url))
    if page.content_type == JSON:
        chunks = [client.models.generate_content(model="m", contents="x")]
    else:
        chunks = list(client.models.generate_content_stream(model="m", contents="x"))
    seen = Seen()
    for chunk in chunks:
        usage = chunk.usage_metadata
        if usage is not None:
            prompt = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
            seen.tokens = (prompt, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0))
        for candidate in chunk.candidates or ():
            seen.is_complete = seen.is_complete or candidate.finish_reason is not None
            for part in (candidate.content.parts if candidate.content else None) or ():
                if part.function_call is not None:
                    seen.calls.append((part.function_call.name, part.function_call.args))
                elif part.thought:
                    seen.thoughts += part.text or ""
                else:
                    seen.text += part.text or ""
    return seen


THROUGH: dict[Dialect, Callable[[Page], Seen]] = {
    CHAT: through_openai,
    MESSAGES: through_anthropic,
    GEMINI: through_google,
    RESPONSES: through_responses,
}
STREAMS: list[tuple[Any, ...]] = [
    ("anthropic-stream-simple.json", 0, MESSAGES, (20, 5)),
    ("anthropic-thinking-stream.json", 0, MESSAGES, (46, 133)),
    ("anthropic-websearch-stream-with-ratelimit-headers.json", 0, MESSAGES, None),
    ("gemini-2.5-flash-stream-usage-midstream.json", 0, GEMINI, (18, 115)),
    ("gemini-3-flash-stream-codeexec.json", 0, GEMINI, (507, 276)),
    ("gemini-3-tools-thought-signature-raw.json", 0, GEMINI, (60, 48)),
    ("gemini-3-tools-thought-signature-raw.json", 1, GEMINI, (121, 9)),
    ("alibaba-qwen-text-stream.json", 0, CHAT, (18, 779)),
    ("deepseek-chat-toolcall-stream.json", 0, CHAT, (339, 83)),
    ("openrouter-stream-reasoning.json", 0, CHAT, (43, 36)),
    ("xai-chat-text-stream.json", 0, CHAT, (12, 342)),
    ("zai-glm-4.7-stream.json", 0, CHAT, (13, 564)),
    ("openai-responses-stream-usage-gpt5.json", 0, RESPONSES, None),
    ("deepseek-responses-v4-flash-stream.json", 0, RESPONSES, None),
    ("xai-responses-websearch-stream.json", 0, RESPONSES, None),
]
ANSWERS: list[tuple[Any, ...]] = [
    ("anthropic-cache-breakpoint-opus4.8.json", 0, MESSAGES, (68, 359)),
    ("anthropic-sonnet5-advisor-tool.json", 0, MESSAGES, None),
    ("vertex-generateContent.json", 0, GEMINI, (13, 8)),
    ("vertex-flex-tier.json", 0, GEMINI, None),
    ("openai-chat-promptcache-write-gpt5.6-sol.json", 0, CHAT, (4020, 4)),
    ("openai-chat-promptcache-write-gpt5.6-sol.json", 1, CHAT, (4020, 4)),
    ("azure-openai-chat.json", 0, CHAT, (14, 9)),
    ("deepseek-chat-reasoner.json", 0, CHAT, (12, 789)),
    ("gemini-openai-compat-chat.json", 0, CHAT, (35, 74)),
    ("gemini-openai-compat-chat.json", 1, CHAT, (66, 34)),
    ("ollama-local-openai-chat.json", 0, CHAT, (136, 15)),
    ("xai-chat-toolcall.json", 0, CHAT, (291, 215)),
    ("zai-glm-5.2.json", 0, CHAT, (20, 67)),
    ("azure-openai-responses-gpt5.6-sol.json", 0, RESPONSES, (18, 5)),
]


def others(cases: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return each case, whose third word is the vendor's wire, with every wire that a client may speak instead."""
    return [(*case, client) for case in cases for client in Dialect if client != case[2]]


@pytest.mark.parametrize(("name", "number", "vendor", "counted", "client"), others(STREAMS))
def test_a_recorded_stream_says_the_same_to_the_sdk_of_another_wire(
    page: Page, name: str, number: int, vendor: Dialect, counted: tuple[int, int] | None, client: Dialect
) -> None:
    _, body = recorded(name, number)
    page.status, page.content_type = 200, EVENTS
    page.body = as_events(body)
    by_vendor = THROUGH[vendor](page)
    page.body = translated(body, client=client, vendor=vendor)
    by_client = THROUGH[client](page)
    assert by_client == by_vendor
    assert by_client.is_complete and (by_client.text or by_client.calls)
    assert counted is None or by_client.tokens == counted


@pytest.mark.parametrize(("name", "number", "vendor", "counted", "client"), others(ANSWERS))
def test_a_recorded_answer_says_the_same_to_the_sdk_of_another_wire(
    page: Page, name: str, number: int, vendor: Dialect, counted: tuple[int, int] | None, client: Dialect
) -> None:
    _, body = recorded(name, number)
    page.status, page.content_type = 200, JSON
    page.body = body
    by_vendor = THROUGH[vendor](page)
    page.body = Translation(client=client, vendor=vendor).answer(body, CIRCUMSTANCES)
    by_client = THROUGH[client](page)
    assert by_client == by_vendor
    assert by_client.is_complete and (by_client.text or by_client.calls)
    assert counted is None or by_client.tokens == counted


@pytest.mark.parametrize(
    ("name", "status", "vendor", "words", "client"),
    others(
        [
            ("anthropic-400-effort.json", 400, MESSAGES, "does not support effort level"),
            ("gemini-404-model.json", 404, GEMINI, "is not found for API version"),
            ("openai-chat-404-model.json", 404, CHAT, "does not exist or you do not have access"),
            ("openrouter-429-and-errors.json", 429, CHAT, "Provider returned error"),
            ("openai-responses-400-model.json", 400, RESPONSES, "does not exist"),
        ]
    ),
)
def test_a_recorded_error_is_the_error_of_the_sdk_of_another_wire(
    page: Page, name: str, status: int, vendor: Dialect, words: str, client: Dialect
) -> None:
    page.status, body = recorded(name)
    page.content_type = JSON
    page.body = Translation(client=client, vendor=vendor).error(page.status, body)
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError, google_errors.APIError)) as raised:
        THROUGH[client](page)
    error: Any = raised.value
    code = error.code if isinstance(error, google_errors.APIError) else error.status_code
    assert code == status
    assert words in error.message


@pytest.mark.parametrize(("name", "number", "vendor", "counted"), [s for s in STREAMS if s[2] != GEMINI])
def test_a_stream_framed_as_an_array_is_one_json_array(
    name: str, number: int, vendor: Dialect, counted: tuple[int, int] | None
) -> None:
    _, body = recorded(name, number)
    array = json.loads(translated(body, client=GEMINI, vendor=vendor, framing=Framing.ARRAY))
    events = translated(body, client=GEMINI, vendor=vendor)
    assert array == [json.loads(data) for data in datas(events) if data]


@pytest.mark.parametrize(("name", "number", "vendor", "counted", "client"), others(STREAMS))
def test_a_stream_that_breaks_off_is_an_error_to_the_sdk(
    page: Page, name: str, number: int, vendor: Dialect, counted: tuple[int, int] | None, client: Dialect
) -> None:
    _, body = recorded(name, number)
    events = [data for data in datas(body) if data]
    stream = Translation(client=client, vendor=vendor).stream(CIRCUMSTANCES, StreamShape(wants_usage=True))
    page.status, page.content_type = 200, EVENTS
    page.body = b"".join([stream.feed(data) for data in events[: max(1, len(events) // 4)]]) + stream.close()
    with pytest.raises((openai.APIError, anthropic.APIError, google_errors.APIError)) as raised:
        THROUGH[client](page)
    assert "before it was complete" in str(raised.value)
