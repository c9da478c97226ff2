"""Gemini's own wire over HTTP: the vendor's bytes, on both versions, in both framings, and exact books."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.gateway.gemini import (
    AS_ARRAY,
    AS_EVENTS,
    ASK,
    CAPPED,
    KEY_HEADER,
    PRICES,
    add_gemini,
    answer_generated,
    begin,
    reply,
)
from tests.gateway.vendor import Vendor, VendorCall, in_turn, refusing
from tests.gateway.world import CREDENTIAL, Served, World
from tests.support.recordings import exchange

GENERATE = "/v1beta/models/flash:generateContent"
STREAM = "/v1beta/models/flash:streamGenerateContent"
COST = 9 * 1000 + 3 * 2000 + 2 * 3000


@pytest.fixture(autouse=True)
def gemini(world: World, vendor: Vendor) -> None:
    add_gemini(world, vendor)
    vendor.answer = answer_generated


async def post(served: Served, key: str, path: str, body: dict[str, Any] = ASK) -> httpx.Response:
    async with served.client() as client:
        return await client.post(path, json=body, headers={KEY_HEADER: key})


def rated(record: dict[str, Any]) -> dict[str, int]:
    return dict(zip(record["classes"], record["quantities"], strict=True))


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_a_whole_answer_passes_and_the_vendor_sees_its_own_name_and_key(
    served: Served, world: World, vendor: Vendor, key: str, version: str
) -> None:
    answer = await post(served, key, f"/{version}/models/flash:generateContent")
    assert (answer.status_code, answer.content) == (200, reply())
    assert answer.headers["x-bursar-cost-usd"] == "0.000021"
    (call,) = vendor.calls
    assert (call.path, call.headers[KEY_HEADER]) == ("/v1beta/models/flash-2026:generateContent", CREDENTIAL)
    assert call.json == ASK and key not in str(call.headers)
    (record,) = await world.recorded()
    assert rated(record) == {"input": 9, "output": 3, "reasoning": 2}
    assert (record["charge_nano"], record["wire"], record["is_estimated"]) == (COST, "gemini.generate", False)
    assert (record["served_model"], record["alias"]) == ("flash-002", "flash")


@pytest.mark.parametrize(
    ("query", "parts", "kind"),
    [("?alt=sse", AS_EVENTS, "text/event-stream"), ("", AS_ARRAY, "application/json; charset=UTF-8")],
)
async def test_a_stream_passes_byte_for_byte_in_the_framing_that_was_asked_for(
    served: Served, world: World, vendor: Vendor, key: str, query: str, parts: tuple[bytes, ...], kind: str
) -> None:
    answer = await post(served, key, STREAM + query)
    assert (answer.content, answer.headers["content-type"]) == (b"".join(parts), kind)
    assert vendor.calls[0].path == f"/v1beta/models/flash-2026:streamGenerateContent{query}"
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["is_stream"], rated(record)["reasoning"]) == (COST, True, 2)


@pytest.mark.parametrize("query", ["?alt=sse", ""])
async def test_every_chunk_arrives_before_the_next_is_sent(
    served: Served, vendor: Vendor, key: str, query: str
) -> None:
    parts = AS_EVENTS if query else AS_ARRAY[:3]
    has_arrived = [asyncio.Event() for _ in parts]

    async def answer(call: VendorCall) -> None:
        await begin(call)
        for part, arrived in zip(parts, has_arrived, strict=True):
            await call.chunk(part)
            await asyncio.wait_for(arrived.wait(), 5)
        await call.end_stream()

    vendor.answer = answer
    seen = b""
    async with (
        served.client() as client,
        client.stream("POST", STREAM + query, json=ASK, headers={KEY_HEADER: key}) as live,
    ):
        async for piece in live.aiter_raw():
            seen += piece
            for number, arrived in enumerate(has_arrived, start=1):
                if len(seen) >= len(b"".join(parts[:number])):
                    arrived.set()
    assert seen == b"".join(parts)


async def test_only_the_framing_of_a_query_reaches_the_vendor(served: Served, vendor: Vendor, key: str) -> None:
    await post(served, key, STREAM + "?foo=bar&alt=sse&trace=1")
    await post(served, key, GENERATE + "?alt=sse")
    assert [call.path.partition("?")[2] for call in vendor.calls] == ["alt=sse", ""]


async def test_an_alias_with_a_slash_and_a_colon_is_one_name(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_model("google/flash:latest")
    await served.catch_up(world)
    answer = await post(served, key, "/v1/models/google/flash:latest:generateContent")
    assert answer.status_code == 200
    assert vendor.calls[0].path == "/v1beta/models/google%2Fflash%3Alatest-2026:generateContent"


async def test_counting_tokens_is_governed_and_costs_nothing(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(0)
    await served.catch_up(world)
    vendor.answer = refusing(200, b'{"totalTokens": 5}')
    body = {"generateContentRequest": {"model": "models/flash", **ASK}}
    answer = await post(served, key, "/v1/models/flash:countTokens", body)
    assert (answer.status_code, answer.json()) == (200, {"totalTokens": 5})
    assert vendor.calls[0].json["generateContentRequest"]["model"] == "models/flash-2026"
    (record,) = await world.recorded()
    assert (record["wire"], record["charge_nano"]) == ("gemini.count_tokens", 0)
    assert world.account(budget)["settled_nano"] == 0


@pytest.mark.parametrize("method", ["embedContent", "batchEmbedContents"])
async def test_trap_34_embeddings_without_a_report_are_booked_at_their_bound_and_marked(
    served: Served, world: World, vendor: Vendor, key: str, method: str
) -> None:
    one = {"model": "models/embedder", "content": {"parts": [{"text": "Grüße"}]}, "taskType": "RETRIEVAL_QUERY"}
    is_batch = method == "batchEmbedContents"
    embeddings = b'{"embeddings": [{"values": [0.25, -1e-9]}]}'
    vendor.answer = refusing(200, embeddings)
    answer = await post(served, key, f"/v1/models/embedder:{method}", {"requests": [one]} if is_batch else one)
    assert (answer.status_code, answer.content) == (200, embeddings)
    sent = vendor.calls[0].json["requests"][0] if is_batch else vendor.calls[0].json
    assert sent == {**one, "model": "models/embedder-2026"}
    assert vendor.calls[0].path == f"/v1beta/models/embedder-2026:{method}"
    (record,) = await world.recorded()
    assert (rated(record), record["is_estimated"]) == ({"input": 7 + 16}, True)
    assert record["charge_nano"] == 23 * 150 and record["outcome"] == "completed"


async def test_embeddings_with_a_report_are_booked_as_reported(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = refusing(200, b'{"embedding": {"values": []}, "usageMetadata": {"promptTokenCount": 4}}')
    await post(served, key, "/v1/models/embedder:embedContent", {"content": {"parts": [{"text": "Hello there"}]}})
    (record,) = await world.recorded()
    assert (rated(record), record["is_estimated"]) == ({"input": 4}, False)


async def test_a_generated_answer_without_a_report_stays_unknown(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = refusing(200, b'{"candidates": []}')
    await post(served, key, GENERATE)
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"] == "usage_missing"


async def test_a_keys_own_maximum_is_written_into_the_generation_config(
    served: Served, world: World, vendor: Vendor
) -> None:
    _, key = world.add_key(default_max_output_tokens=70)
    await served.catch_up(world)
    await post(served, key, GENERATE, {**ASK, "generation_config": {"topK": 3}})
    assert vendor.calls[0].json == {**ASK, "generation_config": {"topK": 3, "maxOutputTokens": 70}}


async def test_a_small_budget_lowers_the_maximum_that_the_model_has_by_default(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_budget(1_000_000)
    await served.catch_up(world)
    answer = await post(served, key, GENERATE)
    lowered = vendor.calls[0].json["generationConfig"]["maxOutputTokens"]
    assert answer.headers["x-bursar-max-output-tokens"] == str(lowered) and 16 <= lowered < 1000


async def test_a_delay_in_the_body_of_an_error_holds_the_retry_back(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    def limited(delay: str) -> bytes:
        return json.dumps({"error": {"code": 429, "details": [{"retryDelay": delay}]}}).encode()

    vendor.answer = in_turn(refusing(429, limited("0.01s")), answer_generated)
    assert (await post(served, key, GENERATE)).status_code == 200
    assert len(vendor.calls) == 2
    vendor.answer = refusing(429, limited("46s"))
    answer = await post(served, key, GENERATE)
    assert (answer.status_code, answer.content) == (429, limited("46s"))
    assert len(vendor.calls) == 3
    assert {record["charge_nano"] for record in await world.recorded(3)} == {0, COST}


@pytest.mark.parametrize("query", ["?alt=sse", ""])
async def test_a_client_that_goes_away_pays_what_the_vendor_reports_in_the_end(
    served: Served, world: World, vendor: Vendor, key: str, query: str
) -> None:
    has_gone = asyncio.Event()
    parts = AS_EVENTS if query else AS_ARRAY

    async def answer(call: VendorCall) -> None:
        await begin(call)
        await call.chunk(parts[0])
        await asyncio.wait_for(has_gone.wait(), 5)
        for part in parts[1:]:
            await call.chunk(part)
        await call.end_stream()

    vendor.answer = answer
    async with (
        served.client() as client,
        client.stream("POST", STREAM + query, json=ASK, headers={KEY_HEADER: key}) as live,
    ):
        await anext(live.aiter_raw())
    has_gone.set()
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["outcome"]) == (COST, "client_gone")


@pytest.mark.parametrize("query", ["?alt=sse", ""])
async def test_an_answer_that_breaks_off_ends_in_an_error_of_its_framing(
    served: Served, world: World, vendor: Vendor, key: str, query: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await begin(call)
        await call.chunk((AS_EVENTS if query else AS_ARRAY)[0])
        call.writer.transport.abort()

    vendor.answer = answer
    text = (await post(served, key, STREAM + query)).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line] if query else json.loads(text)
    assert chunks[-1]["error"]["status"] == "UNAVAILABLE" and len(chunks) == 2
    assert CREDENTIAL not in text and str(vendor.port) not in text
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"].startswith("cut_short")


async def test_media_tools_and_stored_context_are_refused_before_anything_is_sent(
    served: Served, vendor: Vendor, key: str
) -> None:
    image = {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}]}
    for body in (image, {**ASK, "tools": [{"googleSearch": {}}]}, {**ASK, "cachedContent": "cachedContents/1"}):
        answer = await post(served, key, GENERATE, body)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
        assert error["message"].endswith(".") and error["details"][0]["domain"] == "bursar"
    assert vendor.calls == []


async def test_an_image_passes_where_the_connection_says_what_it_costs_at_most(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.execute(
        "UPDATE connections_connection SET options = %s WHERE provider = 'gemini'", '{"image_tokens": "2240"}'
    )
    await served.gateway.keeper.refresh()
    image = {"inlineData": {"mimeType": "image/png", "data": "A" * 40_000}}
    counts = {
        "promptTokenCount": 1125,
        "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}, {"modality": "TEXT", "tokenCount": 5}],
    }
    body = json.dumps({"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts}).encode()
    vendor.answer = refusing(200, body)
    answer = await post(served, key, GENERATE, {"contents": [{"parts": [image, {"text": "What is it?"}]}]})
    assert (answer.status_code, answer.content) == (200, body)
    (record,) = await world.recorded()
    assert rated(record) == {"input": 5, "input_image": 1120}
    assert record["charge_nano"] == 1125 * 1000 < record["reserved_nano"] < 10_000 * 1000


async def test_a_capped_request_is_not_changed_at_all(served: Served, vendor: Vendor, key: str) -> None:
    body = json.dumps(CAPPED, indent=3).encode()
    async with served.client() as client:
        await client.post(GENERATE, content=body, headers={KEY_HEADER: key})
    assert vendor.calls[0].body == body


async def test_a_vendor_without_a_counter_counts_nothing(served: Served, vendor: Vendor, key: str) -> None:
    answer = await post(served, key, "/v1/models/tiny:countTokens")
    assert answer.status_code == 400
    assert "its vendor has no counter here" in answer.json()["error"]["message"]
    assert vendor.calls == []


@pytest.mark.parametrize(
    ("name", "number", "classes"),
    [
        ("gemini-2.5-flash-stream-usage-midstream.json", 0, {"input": 18, "output": 80, "reasoning": 35}),
        ("gemini-3-flash-stream-codeexec.json", 0, {"input": 507, "output": 108, "reasoning": 168}),
        ("gemini-3-tools-thought-signature-raw.json", 0, {"input": 60, "output": 16, "reasoning": 32}),
        ("gemini-3-tools-thought-signature-raw.json", 1, {"input": 121, "output": 9}),
        ("vertex-generateContent.json", 0, {"input": 13, "output": 8}),
    ],
)
async def test_a_recorded_answer_is_passed_byte_for_byte_and_rated(
    served: Served, world: World, vendor: Vendor, key: str, name: str, number: int, classes: dict[str, int]
) -> None:
    recorded = exchange(name, number)["response"]
    body, kind = recorded["body"].encode(), recorded["headers"]["content-type"]

    async def answer(call: VendorCall) -> None:
        if kind == "text/event-stream" or body.startswith(b"["):
            await begin(call)
            for start in range(0, len(body), 700):
                await call.chunk(body[start : start + 700])
            await call.end_stream()
        else:
            await call.reply(body, headers=f"content-type: {kind}")

    vendor.answer = answer
    path = GENERATE if name.startswith("vertex") else STREAM + ("?alt=sse" if kind == "text/event-stream" else "")
    answered = await post(served, key, path, {"contents": [{"parts": [{"text": "x" * 1000}]}]})
    assert (answered.status_code, answered.content) == (200, body)
    (record,) = await world.recorded()
    assert rated(record) == classes
    assert record["charge_nano"] == sum(int(PRICES[kind]) * count for kind, count in classes.items())


async def test_a_recorded_error_passes_unchanged_and_costs_nothing(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    recorded = exchange("gemini-404-model.json")["response"]
    vendor.answer = refusing(404, recorded["body"].encode())
    answer = await post(served, key, GENERATE)
    assert (answer.status_code, answer.content) == (404, recorded["body"].encode())
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["classes"]) == (0, [])
