"""The pretend vendor answers over real HTTP: the same request the same bytes, labelled, and failing as it is told."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from bursar_plugin_sandbox import bursar_providers

from governance.plugin import GoverningFields, Provider, Wire
from governance.plugin.testing import (
    PROVIDER_CHECKS,
    ProviderCheck,
    Subject,
    check_recorded_reply,
    check_recorded_stream,
)

PROVIDERS: list[Provider] = []
bursar_providers(PROVIDERS.append)
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def subject() -> Subject:
    return Subject(provider=PROVIDERS[0], base_url="http://127.0.0.1:8089/v1")


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    command = [sys.executable, "-m", "bursar_plugin_sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=address, timeout=20) as client:
            yield client
        process.terminate()
        assert process.wait(timeout=10) == -signal.SIGTERM


def ask(server: httpx.Client, text: str, **fields: Any) -> httpx.Response:
    messages = [{"role": "user", "content": text}]
    return server.post("/chat/completions", json={"model": "sandbox-1", "messages": messages, **fields})


def said(reply: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in reply.text.split("\n\n") if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
def test_the_provider_conforms(check: ProviderCheck) -> None:
    check(subject())


def test_the_same_request_gets_the_same_bytes_and_another_another_id(server: httpx.Client) -> None:
    first, second, other = ask(server, "Hello"), ask(server, "Hello"), ask(server, "Goodbye")
    assert first.content == second.content
    assert first.json()["id"] != other.json()["id"]


@pytest.mark.parametrize("stream", [True, False])
def test_every_reply_is_labelled_as_the_sandboxs(server: httpx.Client, stream: bool) -> None:
    reply = ask(server, "Hello", stream=stream)
    assert reply.headers["x-bursar-sandbox"] == "true"
    assert '"system_fingerprint":"bursar-sandbox"' in reply.text
    assert "sandbox" in ask(server, "Hello").json()["choices"][0]["message"]["content"]


def test_tokens_are_one_per_four_bytes_and_never_more_than_bytes(server: httpx.Client) -> None:
    reply = ask(server, "x" * 41).json()
    assert reply["usage"]["prompt_tokens"] == 11
    assert reply["usage"]["completion_tokens"] == -(-len(reply["choices"][0]["message"]["content"].encode()) // 4)
    assert ask(server, "é" * 40).json()["usage"]["prompt_tokens"] == 20


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_maximum_cuts_the_answer_and_n_multiplies_it(server: httpx.Client, field: str) -> None:
    reply = ask(server, "Hello [sandbox: tokens=40, reasoning=9]", n=3, **{field: 5}).json()
    assert [choice["finish_reason"] for choice in reply["choices"]] == ["length"] * 3
    assert reply["usage"]["completion_tokens"] == 15


def test_a_stream_says_what_the_whole_reply_says(server: httpx.Client) -> None:
    whole = ask(server, "Hello, streams").json()["choices"][0]["message"]["content"]
    events = said(ask(server, "Hello, streams", stream=True))
    assert "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"]) == whole
    assert not any("usage" in event for event in events)


def test_the_provider_reads_what_its_server_sends(server: httpx.Client) -> None:
    request = {"model": "sandbox-1", "messages": [{"role": "user", "content": "Hello [sandbox: tokens=100, cached=2]"}]}
    whole = server.post("/chat/completions", json=request).content
    report = check_recorded_reply(subject(), wire=Wire.OPENAI_CHAT, body=whole, request=json.dumps(request).encode())
    assert (report.usage.output_tokens, report.usage.cache_read_input_tokens) == (100, 2)
    streamed = server.post(
        "/chat/completions", json={**request, "stream": True, "stream_options": {"include_usage": True}}
    ).content
    fields = GoverningFields(model="m", stream=True, body_bytes=1, messages=1)
    assert check_recorded_stream(subject(), wire=Wire.OPENAI_CHAT, body=streamed, fields=fields).usage == report.usage
    assert streamed.count(b'"content":"') == 101


def test_running_counts_have_the_final_input_from_the_first_on(server: httpx.Client) -> None:
    streamed = ask(server, "Hello [sandbox: tokens=5, usage=running]", stream=True)
    counts = [event["usage"] for event in said(streamed)]
    assert {count["prompt_tokens"] for count in counts} == {10}
    assert [count["completion_tokens"] for count in counts] == [0, 1, 2, 3, 4, 5, 5]
    fields = GoverningFields(model="m", stream=True, body_bytes=1, messages=1)
    report = check_recorded_stream(subject(), wire=Wire.OPENAI_CHAT, body=streamed.content, fields=fields)
    assert (report.usage.input_tokens, report.usage.output_tokens) == (10, 5)


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_is_called_when_the_text_names_it(server: httpx.Client, stream: bool) -> None:
    reply = ask(server, "Use get_weather", tools=[TOOL], stream=stream)
    assert "get_weather" in reply.text
    assert '"finish_reason":"tool_calls"' in reply.text
    assert "get_weather" not in ask(server, "Just talk", tools=[TOOL]).text


def test_a_tool_is_called_when_the_choice_demands_it_and_not_when_it_forbids_it(server: httpx.Client) -> None:
    demanded = ask(server, "Talk", tools=[TOOL], tool_choice="required").json()["choices"][0]["message"]
    assert json.loads(demanded["tool_calls"][0]["function"]["arguments"]) == {"city": "sandbox"}
    forbidden = ask(server, "get_weather", tools=[TOOL], tool_choice="none").json()["choices"][0]["message"]
    assert "tool_calls" not in forbidden


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_it_fails_as_it_is_told(server: httpx.Client, status: int) -> None:
    reply = ask(server, f"[sandbox: fail={status}]")
    assert reply.status_code == status
    assert reply.json()["error"]["message"] == f"The sandbox was told to fail with {status}."
    assert reply.headers.get("retry-after") == ("1" if status == 429 else None)


def test_it_cuts_fails_or_stalls_in_the_middle_of_a_stream(server: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        ask(server, "[sandbox: cut=mid-stream]", stream=True)
    failed = ask(server, "[sandbox: error=mid-stream]", stream=True)
    assert "told to fail in its stream" in failed.text
    assert "[DONE]" not in failed.text


@pytest.mark.parametrize("where", ["first-byte", "mid-stream"])
def test_it_stalls_where_it_is_told_and_serves_others_meanwhile(server: httpx.Client, where: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        server.post(
            "/chat/completions",
            json={
                "model": "sandbox-1",
                "stream": True,
                "messages": [{"role": "user", "content": f"[sandbox: stall={where}]"}],
            },
            timeout=0.5,
        )
    assert ask(server, "Hello").status_code == 200


def test_usage_can_be_left_out_and_the_finish_chosen(server: httpx.Client) -> None:
    reply = ask(server, "[sandbox: no_usage, finish=content_filter]").json()
    assert "usage" not in reply
    assert reply["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 400, "invalid_request_error"),
        (b'{"model":"gpt-6","messages":[]}', 404, "model_not_found"),
        (b'{"model":"sandbox-1","messages":[],"n":0}', 400, "invalid_request_error"),
        (
            b'{"model":"sandbox-1","messages":[{"role":"user","content":"[sandbox: explode]"}]}',
            400,
            "unknown_directive",
        ),
    ],
)
def test_a_bad_request_is_refused_as_a_vendor_would(server: httpx.Client, body: bytes, status: int, code: str) -> None:
    reply = server.post("/chat/completions", content=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


def test_too_long_a_conversation_is_refused(server: httpx.Client) -> None:
    assert ask(server, "x" * 520_000).json()["error"]["code"] == "context_length_exceeded"


def test_it_lists_its_model_and_its_health(server: httpx.Client) -> None:
    assert [model["id"] for model in server.get("/models").json()["data"]] == ["sandbox-1"]
    assert server.get(str(server.base_url).replace("/v1/", "/healthz")).status_code == 200
