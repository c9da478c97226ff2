"""The Responses wire under abuse: what would cost more than is held is refused, and what is held is enough."""

import json
from typing import Any

import pytest

from tests.gateway.openai_vendor import answer_responses, replying, response
from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.world import Served, World
from tests.security.test_request_shapes import SHAPES

PATH = "/v1/responses"


@pytest.fixture(autouse=True)
def openai_itself(world: World, vendor: Vendor) -> None:
    """Let the vendor be OpenAI."""
    world.execute("UPDATE connections_connection SET provider = 'openai'")
    vendor.answer = answer_responses


def _packed(**fields: Any) -> str:
    return json.dumps({"model": "tiny", "input": "Hi", **fields}, separators=(",", ":"))


async def test_a_maximum_that_is_no_count_is_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    async with served.client(key) as client:
        for shape in SHAPES:
            body = f'{_packed()[:-1]},"max_output_tokens":{shape}}}'
            reply = await client.post(PATH, content=body)
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, "bad_request"), shape
    assert vendor.calls == [] and world.attempts() == [] and world.records() == []


@pytest.mark.parametrize(
    "body",
    [
        _packed(previous_response_id="resp_1"),
        _packed(conversation={"id": "conv_1"}),
        _packed(prompt={"id": "pmpt_1"}),
        _packed(background=True, stream=True),
        _packed(input=[{"id": "msg_1"}]),
        _packed(input=[{"type": "reasoning", "id": "rs_1", "summary": []}]),
        _packed(input=[{"type": "web_search_call", "id": "ws_1"}]),
        _packed(input=[{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]),
        _packed(input=[{"type": "additional_tools", "role": "developer", "tools": [{"type": "mcp"}]}]),
        _packed(tools=[{"type": "namespace", "name": "n", "tools": [{"type": "code_interpreter"}]}]),
        _packed(reasoning={"mode": "pro"}),
        _packed(context_management=[{"type": "compaction", "compact_threshold": 1}]),
        _packed(service_tier="priority"),
        '{"model":"tiny","input":"Hi","background":false,"background":true}',
        '{"model":"tiny","input":"Hi","max_output_tokens":1,"max_output_tokens":100000}',
        '{"model":"tiny","input":[{"type":"item_reference","type":"message","id":"m","content":"x"}]}',
        '{"model":"tiny","input":"Hi","\\u0070revious_response_id":"resp_1"}',
        '{"model":"tiny","input":[{"\\u0074ype":"reasoning","id":"rs_1"}]}',
    ],
)
async def test_what_nothing_bounds_is_refused_before_anything_is_held(
    served: Served, world: World, vendor: Vendor, key: str, body: str
) -> None:
    async with served.client(key) as client:
        reply = await client.post(PATH, content=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"] in {"bad_request", "request_unpriced"}) == (400, True)
    assert error["message"].endswith(".")
    assert vendor.calls == [] and world.attempts() == [] and world.records() == []


async def test_what_is_held_pays_for_every_byte_and_the_whole_maximum(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    body = _packed(input="x" * 5_000, max_output_tokens=900)
    least = len(body) * 1000 + 900 * 2000
    taken: list[int] = []

    async def answer(call: VendorCall) -> None:
        # As much as the request can use at all: a token of each byte, and the maximum.
        taken.append(world.account(budget)["held_nano"])
        usage = {"input_tokens": len(body), "output_tokens": 900, "total_tokens": len(body) + 900}
        await replying(response(usage=usage))(call)

    vendor.answer = answer
    async with served.client(key) as client:
        await client.post(PATH, content=body)
    assert taken[0] >= least
    (record,) = await world.recorded()
    assert record["charge_nano"] == least
    assert (await world.at_rest(budget))["settled_nano"] == least


async def test_a_budget_that_cannot_pay_the_worst_case_is_not_overspent(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    body = _packed(max_output_tokens=1000)
    world.add_budget(len(body) * 1000 + 1000 * 2000)
    await served.catch_up(world)
    async with served.client(key) as client:
        reply = await client.post(PATH, content=body)
    assert (reply.status_code, reply.json()["error"]["code"], vendor.calls) == (402, "budget_exceeded", [])
