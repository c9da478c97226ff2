"""The stock SDKs call a tool of another vendor's model, over real HTTP, and send its answer back as they keep it.

Between SDK and vendor stands nothing but the translation. The vendor is a script: it asks for a tool, with what its
wire has of thoughts and signatures, and in the second call looks for all of it.
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
from google.genai import types as google

from governance.gateway.translation import Circumstances, Destination, Dialect, StreamShape, Translation

CHAT, MESSAGES, GEMINI = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI
RESPONSES = Dialect.OPENAI_RESPONSES
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
QUESTION, THOUGHT, SKY, ANSWER = "Weather in Ulm?", "I must look.", "blue", "It is sunny."
SIGNATURE = "c2lnbmVkIGJ5IHRoZSB2ZW5kb3I="
CIRCUMSTANCES = Circumstances(created_at_seconds=1_700_000_000, request_id="req_1", model="asked")

Events = list[dict[str, Any]]


def chat_chunks(*deltas: dict[str, Any], finish: str) -> Events:
    chunks: Events = [
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks[-1]["choices"][0]["finish_reason"] = finish
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    return [*chunks, {"id": "c", "model": "m", "choices": [], "usage": usage}]


def message_events(*blocks: tuple[dict[str, Any], list[dict[str, Any]]], stop: str) -> Events:
    events: Events = [{"type": "message_start", "message": {"id": "msg", "model": "m", "usage": {"input_tokens": 9}}}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ended = {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 3}}
    return [*events, ended, {"type": "message_stop"}]


def google_chunk(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {"candidates": [{"content": content, "index": 0} | candidate], "modelVersion": "m", "responseId": "r"}


def response(*items: dict[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
    return {"id": "resp", "model": "m", "status": "completed", "output": list(items), "usage": usage}


def response_events(*items: dict[str, Any]) -> Events:
    events: Events = [{"type": "response.created", "response": response() | {"status": "in_progress"}}]
    for index, item in enumerate(items):
        place = {"output_index": index, "content_index": 0, "summary_index": 0}
        kind, text = {
            "reasoning": ("reasoning_summary_text", THOUGHT),
            "function_call": ("function_call_arguments", '{"city":"Ulm"}'),
            "message": ("output_text", ANSWER),
        }[item["type"]]
        empty = {"content": [], "summary": [], "arguments": ""}
        began = {name: empty.get(name, value) for name, value in item.items()}
        events.append({"type": "response.output_item.added", "item": began} | place)
        events += [{"type": f"response.{kind}.delta", "delta": piece} | place for piece in (text[:3], text[3:])]
        events.append({"type": f"response.{kind}.done"} | place)
        events.append({"type": "response.output_item.done", "item": item} | place)
    return [*events, {"type": "response.completed", "response": response(*items)}]


CALL = {"id": "call_9", "type": "function", "index": 0, "function": {"name": "weather", "arguments": '{"city":"Ulm"}'}}
TEXT = {"type": "text", "text": ""}
THINKING = {"type": "thinking", "thinking": "", "signature": ""}
USE = {"type": "tool_use", "id": "toolu_9", "name": "weather", "input": {}}
FUNCTION_CALL = {"name": "weather", "args": {"city": "Ulm"}}
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": THOUGHT}],
    "encrypted_content": SIGNATURE,
}
CALLED = {"type": "function_call", "id": "fc_1", "call_id": "call_9", "name": "weather", "arguments": '{"city":"Ulm"}'}
TOLD = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": ANSWER, "annotations": []}],
}
SCRIPTS: dict[Dialect, tuple[Events, Events]] = {
    CHAT: (
        chat_chunks({"role": "assistant", "reasoning_content": THOUGHT}, {"tool_calls": [CALL]}, finish="tool_calls"),
        chat_chunks({"content": ANSWER}, finish="stop"),
    ),
    MESSAGES: (
        message_events(
            (
                THINKING,
                [{"type": "thinking_delta", "thinking": THOUGHT}, {"type": "signature_delta", "signature": SIGNATURE}],
            ),
            (USE, [{"type": "input_json_delta", "partial_json": '{"city":"Ulm"}'}]),
            stop="tool_use",
        ),
        message_events((TEXT, [{"type": "text_delta", "text": ANSWER}]), stop="end_turn"),
    ),
    GEMINI: (
        [
            google_chunk({"text": THOUGHT, "thought": True}),
            google_chunk({"functionCall": FUNCTION_CALL, "thoughtSignature": SIGNATURE}, finishReason="STOP"),
        ],
        [google_chunk({"text": ANSWER}, finishReason="STOP")],
    ),
    RESPONSES: (response_events(REASONING, CALLED), response_events(TOLD)),
}
WHOLE: dict[Dialect, tuple[dict[str, Any], dict[str, Any]]] = {
    CHAT: (
        {
            "id": "c",
            "model": "m",
            "choices": [
                {
                    "finish_reason": "tool_calls",
                    "message": {"role": "assistant", "reasoning_content": THOUGHT, "tool_calls": [CALL]},
                }
            ],
        },
        {"id": "c", "model": "m", "choices": [{"finish_reason": "stop", "message": {"content": ANSWER}}]},
    ),
    MESSAGES: (
        {
            "id": "msg",
            "model": "m",
            "stop_reason": "tool_use",
            "content": [
                {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE},
                USE | {"input": {"city": "Ulm"}},
            ],
        },
        {"id": "msg", "model": "m", "stop_reason": "end_turn", "content": [{"type": "text", "text": ANSWER}]},
    ),
    GEMINI: (
        google_chunk(
            {"text": THOUGHT, "thought": True},
            {"functionCall": FUNCTION_CALL, "thoughtSignature": SIGNATURE},
            finishReason="STOP",
        ),
        google_chunk({"text": ANSWER}, finishReason="STOP"),
    ),
    RESPONSES: (response(REASONING, CALLED), response(TOLD)),
}


@dataclass
class Between:
    """A server that translates between this client's wire and this vendor's script, and keeps what the vendor got."""

    base_url: str = ""
    client: Dialect = CHAT
    vendor: Dialect = CHAT
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, path: str, body: bytes) -> tuple[str, bytes]:
        translation = Translation(client=self.client, vendor=self.vendor)
        destination = Destination(model="m", default_maximum_tokens=100)
        request = translation.request(body, destination, is_streamed=":stream" in path)
        turn = len(self.asked)
        self.asked.append(json.loads(request.body))
        if not request.is_streamed:
            whole = json.dumps(WHOLE[self.vendor][turn]).encode()
            return "application/json", translation.answer(whole, CIRCUMSTANCES)
        stream = translation.stream(CIRCUMSTANCES, StreamShape(wants_usage=request.wants_usage))
        events = [stream.feed(json.dumps(event).encode()) for event in SCRIPTS[self.vendor][turn]]
        return "text/event-stream", b"".join(events) + stream.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Between]:
    between = Between()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            kind, shown = between.answer(self.path, body)
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(shown)))
            self.end_headers()
            self.wfile.write(shown)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    between.base_url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield between
    http.shutdown()
    thread.join()
    http.server_close()


def by_openai(server: Between, *, is_streamed: bool) -> str:
    client = openai.OpenAI(base_url=f"{server.base_url}/v1", api_key="k", max_retries=0)
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    for _ in range(2):
        if is_streamed:
            with client.chat.completions.stream(model="m", messages=messages, tools=tools) as stream:
                message: Any = stream.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(model="m", messages=messages, tools=tools).choices[0].message
        if not message.tool_calls:
            break
        (call,) = message.tool_calls
        assert json.loads(call.function.arguments) == {"city": "Ulm"}
        messages += [message, {"role": "tool", "tool_call_id": call.id, "content": SKY}]
    return str(message.content)


def by_responses(server: Between, *, is_streamed: bool) -> str:
    client = openai.OpenAI(base_url=f"{server.base_url}/v1", api_key="k", max_retries=0)
    tools: Any = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
    said: list[Any] = [{"role": "user", "content": QUESTION}]
    for _ in range(2):
        if is_streamed:
            with client.responses.stream(model="m", input=said, tools=tools) as stream:
                response: Any = stream.get_final_response()
        else:
            response = client.responses.create(model="m", input=said, tools=tools)
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            break
        assert json.loads(calls[0].arguments) == {"city": "Ulm"}
        said += [*response.output, {"type": "function_call_output", "call_id": calls[0].call_id, "output": SKY}]
    return str(response.output_text)


def by_anthropic(server: Between, *, is_streamed: bool) -> str:
    client = anthropic.Anthropic(base_url=server.base_url, api_key="k", max_retries=0)
    asked: dict[str, Any] = {"model": "m", "max_tokens": 99, "tools": [{"name": "weather", "input_schema": SCHEMA}]}
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    for _ in range(2):
        if is_streamed:
            with client.messages.stream(**asked, messages=messages) as stream:
                message: Any = stream.get_final_message()
        else:
            message = client.messages.create(**asked, messages=messages)
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            break
        assert calls[0].input == {"city": "Ulm"}
        given = {"type": "tool_result", "tool_use_id": calls[0].id, "content": SKY}
        messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": [given]}]
    return str(message.content[-1].text)


def by_google(server: Between, *, is_streamed: bool) -> str:
    client = genai.Client(api_key="k", http_options=google.HttpOptions(base_url=server.base_url))
    declared = google.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)
    config = google.GenerateContentConfig(tools=[google.Tool(function_declarations=[declared])])
    chat = client.chats.create(model="m", config=config)
    said: Any = QUESTION
    for _ in range(2):
        answers: list[Any] = list(chat.send_message_stream(said)) if is_streamed else [chat.send_message(said)]
        parts = [part for answer in answers for part in answer.candidates[0].content.parts or ()]
        calls = [part.function_call for part in parts if part.function_call]
        if not calls:
            break
        assert calls[0].args == {"city": "Ulm"}
        response = google.FunctionResponse(id=calls[0].id, name=calls[0].name, response={"output": SKY})
        said = google.Part(function_response=response)
    return "".join(part.text or "" for part in parts if not part.thought)


BY: dict[Dialect, Callable[..., str]] = {
    CHAT: by_openai,
    MESSAGES: by_anthropic,
    GEMINI: by_google,
    RESPONSES: by_responses,
}


def expected(vendor: Dialect, asked: dict[str, Any]) -> None:
    """Look for the vendor's own thought and signature, the call and its result, where its wire has them."""
    if vendor == CHAT:
        _, said, given = asked["messages"]
        assert said["reasoning_content"] == THOUGHT
        assert said["tool_calls"][0]["function"]["name"] == "weather"
        assert given == {"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": SKY}
    elif vendor == MESSAGES:
        _, said, given = asked["messages"]
        thought = {"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}
        assert said["content"] == [thought, USE | {"input": {"city": "Ulm"}}]
        (block,) = given["content"]
        assert (block["tool_use_id"], block["content"]) == ("toolu_9", [{"type": "text", "text": SKY}])
    elif vendor == RESPONSES:
        _, thought, called, given = asked["input"]
        assert (thought["encrypted_content"], thought["summary"][0]["text"]) == (SIGNATURE, THOUGHT)
        assert (called["name"], json.loads(called["arguments"])) == ("weather", {"city": "Ulm"})
        assert given == {"type": "function_call_output", "call_id": called["call_id"], "output": SKY}
        assert asked["store"] is False
    else:
        _, said, given = asked["contents"]
        *_, called = said["parts"]
        assert called["functionCall"]["args"] == {"city": "Ulm"}
        assert called["thoughtSignature"] == SIGNATURE
        response = given["parts"][0]["functionResponse"]
        assert (response["name"], response["response"]) == ("weather", {"output": SKY})
        assert response["id"] == called["functionCall"]["id"]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("client", "vendor"), [(client, vendor) for client in Dialect for vendor in Dialect if client != vendor]
)
def test_a_stock_sdk_calls_a_tool_of_another_vendors_model(
    server: Between, client: Dialect, vendor: Dialect, is_streamed: bool
) -> None:
    server.client, server.vendor, server.asked = client, vendor, []
    assert BY[client](server, is_streamed=is_streamed) == ANSWER
    assert len(server.asked) == 2
    expected(vendor, server.asked[1])
