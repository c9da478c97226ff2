"""The stock `google-genai` package, with nothing changed but its base URL and key."""

import json
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.gateway.gemini import ASK, CHUNKS, add_gemini, answer_generated, begin
from tests.gateway.vendor import Vendor, VendorCall, break_off, refusing
from tests.gateway.world import CREDENTIAL, Served, World

RETRYING = types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.02)
WEATHER = {"name": "weather", "description": "Tells it.", "parameters_json_schema": {"type": "object"}}


@pytest.fixture(autouse=True)
def gemini(world: World, vendor: Vendor) -> None:
    add_gemini(world, vendor)
    vendor.answer = answer_generated


def sdk(served: Served, key: str, **options: Any) -> Any:
    """Return the asynchronous client. On `v1`, unless an option says otherwise."""
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=served.url, **options)).aio


@pytest.mark.parametrize("options", [{}, {"api_version": "v1beta"}])
async def test_it_gets_an_answer(served: Served, world: World, key: str, options: dict[str, str]) -> None:
    config = types.GenerateContentConfig(max_output_tokens=50, system_instruction="Be brief.")
    reply = await sdk(served, key, **options).models.generate_content(model="flash", contents="Hi", config=config)
    assert (reply.text, reply.usage_metadata.thoughts_token_count) == ("Hello!", 2)
    (record,) = await world.recorded()
    assert record["charge_nano"] == 21_000


async def test_it_gets_a_stream(served: Served, world: World, key: str) -> None:
    stream = await sdk(served, key).models.generate_content_stream(model="flash", contents="Hi")
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.text or "" for chunk in chunks) == "Hello!"
    assert chunks[-1].usage_metadata.candidates_token_count == 3
    (record,) = await world.recorded()
    assert record["charge_nano"] == 21_000


async def test_it_calls_a_tool_and_hands_its_result_back(served: Served, vendor: Vendor, key: str) -> None:
    called = json.loads(CHUNKS[2])
    called["candidates"][0]["content"]["parts"] = [
        {"functionCall": {"name": "weather", "args": {"city": "Berlin"}}, "thoughtSignature": "AAEC"}
    ]
    vendor.answer = refusing(200, json.dumps(called).encode())
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[WEATHER])])
    first = await sdk(served, key).models.generate_content(model="flash", contents="Weather?", config=config)
    (call,) = first.function_calls
    assert (call.name, call.args) == ("weather", {"city": "Berlin"})
    vendor.answer = answer_generated
    result = types.Part.from_function_response(name="weather", response={"result": "sunny"})
    contents = [types.UserContent("Weather?"), first.candidates[0].content, types.UserContent(result)]
    second = await sdk(served, key).models.generate_content(model="flash", contents=contents, config=config)
    assert second.text == "Hello!"
    echoed = vendor.calls[1].json["contents"][1]["parts"][0]
    assert echoed["functionCall"]["name"] == "weather" and echoed["thoughtSignature"] == "AAEC"


async def test_it_counts_tokens(served: Served, vendor: Vendor, key: str) -> None:
    vendor.answer = refusing(200, b'{"totalTokens": 5}')
    counted = await sdk(served, key).models.count_tokens(model="flash", contents="Hi")
    assert counted.total_tokens == 5


async def test_it_embeds(served: Served, vendor: Vendor, key: str) -> None:
    vendor.answer = refusing(200, b'{"embeddings": [{"values": [0.5]}, {"values": [0.25]}]}')
    config = types.EmbedContentConfig(task_type="RETRIEVAL_QUERY", output_dimensionality=1)
    reply = await sdk(served, key).models.embed_content(model="embedder", contents=["Hi", "Ho"], config=config)
    assert [each.values for each in reply.embeddings] == [[0.5], [0.25]]
    assert {each["model"] for each in vendor.calls[0].json["requests"]} == {"models/embedder-2026"}


@pytest.mark.parametrize("options", [{}, {"api_version": "v1beta"}])
async def test_it_lists_models_and_shows_one(served: Served, key: str, options: dict[str, str]) -> None:
    client = sdk(served, key, **options)
    listed = {model.name: model async for model in await client.models.list()}
    assert set(listed) == {"models/tiny", "models/flash", "models/embedder"}
    assert listed["models/tiny"].supported_actions == ["generateContent", "streamGenerateContent"]
    shown = await client.models.get(model="flash")
    assert (shown.name, shown.output_token_limit) == ("models/flash", 1000)
    assert {"generateContent", "streamGenerateContent", "countTokens"} <= set(shown.supported_actions)


async def test_an_openai_client_still_lists_models_in_its_own_shape(served: Served, key: str) -> None:
    async with served.sdk(key) as client:
        assert "flash" in [model.id async for model in client.models.list()]


async def refused(served: Served, key: str, *, model: str = "flash", contents: str = "Hi") -> errors.ClientError:
    with pytest.raises(errors.ClientError) as refusal:
        await sdk(served, key, retry_options=RETRYING).models.generate_content(model=model, contents=contents)
    return refusal.value


async def test_it_raises_its_own_errors_for_refusals(served: Served, world: World, vendor: Vendor, key: str) -> None:
    unknown_key = await refused(served, "bsr_wrong")
    assert (unknown_key.code, unknown_key.status) == (401, "UNAUTHENTICATED")
    unknown = await refused(served, key, model="flush")
    assert (unknown.code, unknown.status) == (404, "NOT_FOUND") and "Did you mean flash" in unknown.message
    world.insert("policy_allowrule", team_id=world.team, pattern="tiny", organisation_id=world.organisation)
    await served.catch_up(world)
    forbidden = await refused(served, key)
    assert (forbidden.code, forbidden.status) == (403, "PERMISSION_DENIED")
    too_large = await refused(served, key, contents="x" * (17 * 2**20))
    assert (too_large.code, too_large.status) == (413, "INVALID_ARGUMENT")
    assert vendor.calls == []


async def test_it_does_not_retry_an_exhausted_budget(served: Served, world: World, vendor: Vendor, key: str) -> None:
    world.add_budget(1)
    await served.catch_up(world)
    exhausted = await refused(served, key)
    assert (exhausted.code, exhausted.status) == (402, "RESOURCE_EXHAUSTED") and "USD left" in exhausted.message
    assert exhausted.details["error"]["details"][0]["reason"] == "BUDGET_EXCEEDED"
    assert vendor.calls == []
    assert served.gateway.metrics.numbers.counters["bursar_refusals\tbudget_exceeded"] == 1


async def test_it_is_told_when_a_rate_limit_lets_it_in_again(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_rate_limit(1)
    await served.catch_up(world)
    await sdk(served, key).models.generate_content(model="flash", contents="Hi")
    limited = await refused(served, key)
    assert (limited.code, limited.status) == (429, "RESOURCE_EXHAUSTED")
    info = limited.details["error"]["details"][1]
    assert info["@type"].endswith("google.rpc.RetryInfo") and int(info["retryDelay"].removesuffix("s")) > 0
    assert len(vendor.calls) == 1


async def test_it_raises_when_the_vendor_is_away_and_learns_neither_host_nor_key(
    served: Served, vendor: Vendor, key: str
) -> None:
    vendor.answer = break_off
    with pytest.raises(errors.ServerError) as failure:
        await sdk(served, key).models.generate_content(model="flash", contents="Hi")
    assert (failure.value.code, failure.value.status) == (502, "UNAVAILABLE")
    assert CREDENTIAL not in str(failure.value) and str(vendor.port) not in str(failure.value)


async def test_it_raises_the_vendors_error_before_a_stream_and_within_it(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = refusing(403, b'{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}')
    with pytest.raises(errors.ClientError, match="PERMISSION_DENIED"):
        await anext(await sdk(served, key).models.generate_content_stream(model="flash", contents="Hi"))

    async def answer(call: VendorCall) -> None:
        await begin(call)
        await call.chunk(b"data: " + json.dumps(json.loads(CHUNKS[0])).encode() + b"\r\n\r\n")
        await call.chunk(b'data: {"error": {"code": 503, "message": "later", "status": "UNAVAILABLE"}}\r\n\r\n')
        await call.end_stream()

    vendor.answer = answer
    seen = []
    with pytest.raises(errors.ServerError, match="later"):
        seen += [
            chunk.text
            async for chunk in await sdk(served, key).models.generate_content_stream(model="flash", contents="Hi")
        ]
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"].startswith("usage_missing")


async def test_it_raises_when_a_stream_breaks_off(served: Served, vendor: Vendor, key: str) -> None:
    async def answer(call: VendorCall) -> None:
        await begin(call)
        await call.chunk(b"data: " + json.dumps(json.loads(CHUNKS[0])).encode() + b"\r\n\r\n")
        call.writer.transport.abort()

    vendor.answer = answer
    with pytest.raises(errors.ServerError, match="broke before its answer was complete"):
        async for _ in await sdk(served, key).models.generate_content_stream(model="flash", contents="Hi"):
            pass


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("POST", "/v1beta/models/flash:generateContent", 401, "UNAUTHENTICATED"),
        ("POST", "/v1/models/flash:batchGenerateContent", 405, "INVALID_ARGUMENT"),
        ("POST", "/v1beta/cachedContents", 404, "NOT_FOUND"),
        ("GET", "/v1beta/models", 401, "UNAUTHENTICATED"),
        ("PUT", "/v1beta/models/flash:countTokens", 405, "INVALID_ARGUMENT"),
    ],
)
async def test_every_path_of_the_api_refuses_in_its_own_shape(
    served: Served, vendor: Vendor, method: str, path: str, status: int, name: str
) -> None:
    async with served.client() as client:
        answer = await client.request(method, path, json=ASK)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (status, status, name)
    assert vendor.calls == []


async def test_a_growing_array_is_refused_as_an_array(served: Served) -> None:
    async with served.client() as client:
        answer = await client.post("/v1beta/models/flash:streamGenerateContent", json=ASK)
        events = await client.post("/v1beta/models/flash:streamGenerateContent?alt=sse", json=ASK)
    assert [each["error"]["status"] for each in answer.json()] == ["UNAUTHENTICATED"]
    assert events.json()["error"]["status"] == "UNAUTHENTICATED"


async def test_a_key_in_the_address_is_refused_in_the_apis_shape(served: Served, key: str) -> None:
    async with served.client() as client:
        answer = await client.post(f"/v1beta/models/flash:generateContent?key={key}", json=ASK)
    assert answer.status_code == 401 and key not in answer.text
    assert "ends up in logs" in answer.json()["error"]["message"]


async def test_the_header_of_the_key_tells_apis_apart_where_they_share_a_path(served: Served, key: str) -> None:
    async with served.client() as client:
        by_header = await client.get("/v1/models", headers={"x-goog-api-key": key})
        by_bearer = await client.get("/v1/models", headers={"authorization": f"Bearer {key}"})
        unknown = await client.get("/v1/operations", headers={"x-goog-api-key": key})
        chat = await client.post("/v1/chat/completions", headers={"x-goog-api-key": "bsr_wrong"}, json={})
    assert "models" in by_header.json() and "data" in by_bearer.json()
    assert unknown.json()["error"]["status"] == "NOT_FOUND"
    assert chat.json()["error"]["code"] == "key_invalid"
