"""The Responses API, asked by the stock `openai` package and by a coding agent's requests."""

import asyncio
import json
from collections.abc import Iterator

import openai
import pytest

from tests.gateway.openai_vendor import (
    ENDING,
    OPENING,
    STREAM,
    answer_responses,
    delta,
    event,
    replying,
    response,
    streaming,
)
from tests.gateway.vendor import Vendor, VendorCall, refusing
from tests.gateway.world import CREDENTIAL, Served, World, eventually
from tests.plugin.test_responses_request import CODEX

PATH = "/v1/responses"
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False}


@pytest.fixture(autouse=True)
def openai_itself(world: World, vendor: Vendor) -> Iterator[None]:
    """Let the vendor be OpenAI."""
    world.execute("UPDATE connections_connection SET provider = 'openai'")
    vendor.answer = answer_responses
    yield


async def test_it_gets_an_answer_unchanged(served: Served, world: World, vendor: Vendor, key: str) -> None:
    async with served.sdk(key) as client:
        raw = await client.responses.with_raw_response.create(model="tiny", input="Hi", max_output_tokens=50)
    reply = raw.parse()
    assert (reply.output_text, reply.status, reply.usage and reply.usage.total_tokens) == ("Hello!", "completed", 12)
    assert raw.content == json.dumps(response()).encode()
    (call,) = vendor.calls
    assert (call.path, call.headers["authorization"]) == (PATH, f"Bearer {CREDENTIAL}")
    assert call.json == {"model": "tiny-2026", "input": "Hi", "max_output_tokens": 50}
    (record,) = await world.recorded()
    assert dict(zip(record["classes"], record["quantities"], strict=True)) == {"input": 9, "output": 3}
    assert (record["charge_nano"], record["wire"], record["served_model"]) == (15_000, "openai.responses", "tiny-2026")
    assert raw.headers["x-bursar-cost-usd"] == "0.000015"


async def test_it_gets_a_stream_of_named_events_byte_for_byte(served: Served, world: World, key: str) -> None:
    async with served.sdk(key) as client:
        stream = await client.responses.create(model="tiny", input="Hi", stream=True)
        kinds = [part.type async for part in stream]
    assert (kinds[0], *kinds[-3:]) == ("response.created", *["response.output_text.delta"] * 2, "response.completed")
    async with served.client(key) as plain:
        reply = await plain.post(PATH, json={"model": "tiny", "input": "Hi", "stream": True})
    assert (reply.content, reply.headers["content-type"]) == (STREAM, "text/event-stream; charset=utf-8")
    records = await world.recorded(2)
    assert [record["charge_nano"] for record in records] == [15_000, 15_000]
    assert {record["outcome"] for record in records} == {"completed"}


async def test_its_stream_helper_gets_the_whole_response(served: Served, key: str) -> None:
    async with served.sdk(key) as client, client.responses.stream(model="tiny", input="Hi") as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_response()
    assert final.id == "resp_1" and final.usage is not None and final.usage.output_tokens == 3


async def test_it_calls_a_tool_and_sends_the_result_back(served: Served, vendor: Vendor, key: str) -> None:
    item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    vendor.answer = replying(response(output=[item]))
    async with served.sdk(key) as client:
        reply = await client.responses.create(model="tiny", input="Weather?", tools=[TOOL])  # type: ignore[list-item]
        (call,) = reply.output
        assert call.type == "function_call" and call.name == "weather"
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"}
        await client.responses.create(
            model="tiny",
            input=[{"role": "user", "content": "Weather?"}, call.to_dict(), result],  # type: ignore[list-item]
            tools=[TOOL],  # type: ignore[list-item]
        )
    assert vendor.calls[1].json["input"] == [{"role": "user", "content": "Weather?"}, item, result]


async def test_a_coding_agents_request_passes_with_only_the_model_replaced(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    body = json.dumps({**CODEX, "model": "tiny"}, indent=1)
    agents_own = {"originator": "codex_cli_rs", "session_id": "019a", "accept": "text/event-stream"}
    async with served.client(key) as client:
        reply = await client.post(PATH, content=body, headers=agents_own)
    assert (reply.status_code, reply.content) == (200, STREAM)
    (call,) = vendor.calls
    assert call.body.decode() == body.replace('"tiny"', '"tiny-2026"')
    assert not agents_own.keys() & (call.headers.keys() - {"accept"})
    (record,) = await world.recorded()
    assert record["charge_nano"] == 15_000


async def test_it_raises_its_own_errors_for_refusals_and_does_not_retry_them(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.sdk("bsr_wrong") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.responses.create(model="tiny", input="Hi")
    async with served.sdk(key) as client:
        with pytest.raises(openai.NotFoundError, match="Did you mean tiny"):
            await client.responses.create(model="tinny", input="Hi")
        with pytest.raises(openai.BadRequestError, match=r"web_search.*no known bound") as unpriced:
            await client.responses.create(model="tiny", input="Hi", tools=[{"type": "web_search"}])
        assert unpriced.value.code == "request_unpriced"
        with pytest.raises(openai.BadRequestError, match="send the whole conversation") as stored:
            await client.responses.create(model="tiny", input="Hi", previous_response_id="resp_1")
        assert stored.value.param == "previous_response_id"
        with pytest.raises(openai.BadRequestError, match="The field 'prompt' brings in"):
            await client.responses.create(prompt={"id": "pmpt_1"})
        world.insert("policy_allowrule", organisation_id=world.organisation, team_id=world.team, pattern="other*")
        await served.catch_up(world)
        with pytest.raises(openai.PermissionDeniedError, match="not on the allow-list"):
            await client.responses.create(model="tiny", input="Hi")
        world.execute("DELETE FROM policy_allowrule")
        world.add_budget(1)
        await served.catch_up(world)
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError, match="USD left") as refusal:
                await client.responses.create(model="tiny", input="Hi", stream=stream)
            assert (refusal.value.status_code, refusal.value.code) == (402, "budget_exceeded")
    assert vendor.calls == [] and world.records() == []
    counters = served.gateway.metrics.numbers.counters
    assert counters["bursar_refusals\tbudget_exceeded"] == 2


async def test_a_used_up_rate_limit_is_its_rate_limit_error(served: Served, world: World, key: str) -> None:
    world.add_rate_limit(1)
    await served.catch_up(world)
    async with served.sdk(key) as client:
        await client.responses.create(model="tiny", input="Hi")
        with pytest.raises(openai.RateLimitError, match="0 are left") as refusal:
            await client.with_options(max_retries=0).responses.create(model="tiny", input="Hi")
    assert refusal.value.code == "rate_limited"


async def test_a_vendors_error_passes_unchanged_and_costs_nothing(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    body = b'{"error":{"message":"The requested model does not exist.","code":"model_not_found","param":"model"}}'
    vendor.answer = refusing(400, body)
    async with served.sdk(key) as client:
        with pytest.raises(openai.BadRequestError, match="does not exist"):
            await client.responses.create(model="tiny", input="Hi", stream=True)
    (record,) = await world.recorded()
    assert (record["http_status"], record["charge_nano"]) == (400, 0)


async def test_a_vendor_that_is_down_is_told_in_its_shape(served: Served, world: World, key: str) -> None:
    world.execute("UPDATE connections_connection SET base_url = 'http://127.0.0.1:9/v1'")
    await served.gateway.keeper.refresh()
    async with served.sdk(key) as client:
        with pytest.raises(openai.InternalServerError, match="OpenAI could not be reached") as failure:
            await client.with_options(max_retries=0).responses.create(model="tiny", input="Hi")
    assert (failure.value.status_code, failure.value.code) == (502, "provider_unavailable")
    assert "127.0.0.1" not in str(failure.value.body)


async def test_it_raises_when_a_stream_breaks_off(served: Served, world: World, vendor: Vendor, key: str) -> None:
    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(OPENING + delta("Hel", 1))
        call.writer.transport.abort()

    vendor.answer = answer
    kinds = []
    async with served.sdk(key) as client:
        stream = await client.responses.create(model="tiny", input="Hi", stream=True)
        with pytest.raises(openai.APIError, match="broke before its answer was complete"):
            async for part in stream:
                kinds.append(part.type)
    assert kinds == ["response.created", "response.output_text.delta"]
    async with served.client(key) as plain:
        reply = await plain.post(PATH, json={"model": "tiny", "input": "Hi", "stream": True})
    name, _, data = reply.text.removeprefix((OPENING + delta("Hel", 1)).decode()).partition("\n")
    told = json.loads(data.removeprefix("data: "))
    assert (name, told["type"], told["code"], told["error"]["code"]) == (
        "event: error",
        "error",
        "provider_unavailable",
        "provider_unavailable",
    )
    assert len(await world.suspended(2)) == 2


async def test_trap_23_an_error_within_a_stream_passes_and_its_cost_stays_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    about = {"type": "server_error", "code": "server_error", "message": "The model failed.", "param": None}
    vendor.answer = streaming(OPENING, event("error", 1, error=about))
    async with served.sdk(key) as client:
        stream = await client.responses.create(model="tiny", input="Hi", stream=True)
        with pytest.raises(openai.APIError, match="The model failed"):
            _ = [part async for part in stream]
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"].startswith("usage_missing")


@pytest.mark.parametrize(("status", "kind"), [("failed", "response.failed"), ("incomplete", "response.incomplete")])
async def test_trap_23_a_response_that_did_not_complete_is_billed_as_it_says(
    served: Served, world: World, vendor: Vendor, key: str, status: str, kind: str
) -> None:
    vendor.answer = streaming(OPENING, event(kind, 1, response=response(status=status)))
    async with served.client(key) as client:
        await client.post(PATH, json={"model": "tiny", "input": "Hi", "stream": True})
        vendor.answer = replying(response(status=status))
        await client.post(PATH, json={"model": "tiny", "input": "Hi"})
        vendor.answer = replying(response(status=status, usage=None))
        await client.post(PATH, json={"model": "tiny", "input": "Hi"})
    assert [record["charge_nano"] for record in await world.recorded(2)] == [15_000, 15_000]
    assert len(await world.suspended()) == 1


async def test_when_the_client_goes_the_rest_is_read_and_settled(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    has_gone = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(OPENING + delta("Hel", 1))
        await has_gone.wait()
        await call.chunk(ENDING)
        await call.end_stream()

    vendor.answer = answer
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    async with served.sdk(key) as client:
        stream = await client.responses.create(model="tiny", input="Hi", stream=True)
        await anext(aiter(stream))
        await stream.close()
    await eventually(lambda: True if not served.server.server_state.connections else None)
    has_gone.set()
    (record,) = await world.recorded()
    assert (record["outcome"], record["charge_nano"]) == ("client_gone", 15_000)
    assert (await world.at_rest(budget))["settled_nano"] == 15_000


async def test_an_ending_longer_than_any_other_event_is_read(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    ending = event("response.completed", 3, response=response(instructions="x" * 3_000_000))
    vendor.answer = streaming(OPENING, *[ending[start : start + 50_000] for start in range(0, len(ending), 50_000)])
    async with served.client(key) as client:
        reply = await client.post(PATH, json={"model": "tiny", "input": "Hi", "stream": True})
    assert reply.content == OPENING + ending
    (record,) = await world.recorded()
    assert (record["outcome"], record["charge_nano"]) == ("completed", 15_000)


async def test_trap_27_a_keys_default_maximum_is_written_where_this_wire_has_it(
    served: Served, world: World, vendor: Vendor
) -> None:
    _, key = world.add_key(default_max_output_tokens=70)
    async with served.client(key) as client:
        await client.post(PATH, json={"model": "tiny", "input": "Hi"})
        await client.post(PATH, json={"model": "tiny", "input": "Hi", "max_output_tokens": 20})
    assert [call.json["max_output_tokens"] for call in vendor.calls] == [70, 20]


async def test_a_long_cache_needs_a_price_of_its_own(served: Served, world: World, vendor: Vendor, key: str) -> None:
    asked = {"input": "Hi", "prompt_cache_options": {"ttl": "12h"}}
    prices = {"input": "1000", "output": "2000", "cache_write": "1250", "cache_write_long": "2500"}
    world.add_model("cached", prices=prices)
    await served.catch_up(world)
    written = {"ttl_30m_tokens": 0, "ttl_12h_tokens": 4000}
    details = {"cached_tokens": 0, "cache_write_tokens": 4000, "cache_write_tokens_details": written}
    usage = {"input_tokens": 4008, "input_tokens_details": details, "output_tokens": 4, "total_tokens": 4012}
    vendor.answer = replying(response(usage=usage))
    async with served.client(key) as client:
        refused = await client.post(PATH, json={"model": "tiny", **asked})
        reply = await client.post(PATH, json={"model": "cached", **asked})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "request_unpriced")
    assert "cache_write_long" in refused.json()["error"]["message"]
    assert reply.status_code == 200
    (record,) = await world.recorded()
    assert record["charge_nano"] == 8 * 1000 + 4000 * 2500 + 4 * 2000
    assert not record["is_estimated"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1/input_items"),
        ("POST", "/v1/responses/compact"),
        ("POST", "/v1/conversations"),
        ("GET", "/v1/conversations/conv_1"),
    ],
)
async def test_what_is_stored_is_not_served_and_the_refusal_says_what_to_do(
    served: Served, vendor: Vendor, key: str, method: str, path: str
) -> None:
    async with served.client(key) as client:
        reply = await client.request(method, path)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) in [
        (404, "route_unknown"),
        (404, "not_found"),
        (405, "method_not_allowed"),
    ]
    assert "send the whole conversation" in error["message"] and "POST /v1/responses" in error["message"]
    assert vendor.calls == []


async def test_its_fetch_of_a_stored_response_is_its_not_found_error(served: Served, key: str) -> None:
    async with served.sdk(key) as client:
        with pytest.raises(openai.NotFoundError, match="Take the answer from the reply itself"):
            await client.responses.retrieve("resp_1")


async def test_a_connection_of_the_chat_wire_alone_counts_nothing_and_says_so(
    served: Served, world: World, key: str
) -> None:
    world.execute("UPDATE connections_connection SET provider = 'openai_compatible'")
    await served.gateway.keeper.refresh()
    async with served.sdk(key) as client:
        with pytest.raises(
            openai.BadRequestError,
            match=r"The tokens of a request to 'tiny' cannot be counted: .* Send the request itself",
        ):
            await client.responses.input_tokens.count(model="tiny", input="Hi")


async def test_no_answer_holds_the_vendors_key_or_host(served: Served, world: World, vendor: Vendor, key: str) -> None:
    vendor.answer = refusing(401, json.dumps({"error": {"message": f"Incorrect API key: {CREDENTIAL}"}}).encode())
    async with served.client(key) as client:
        reply = await client.post(PATH, json={"model": "tiny", "input": "Hi"})
    told = reply.text + str(reply.headers)
    assert reply.status_code == 401 and "[credential]" in told
    assert CREDENTIAL not in told and str(vendor.port) not in told
