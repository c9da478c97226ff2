"""Real vendors' replies, replayed by a real server: the client gets their bytes, the ledger their tokens and cost."""

from typing import Any

import pytest

from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.world import Served, World, question
from tests.support.recordings import exchange

PRICES = {"input": "1000", "cache_read": "100", "cache_write": "1250", "output": "2000", "reasoning": "2000"}
REASONING_BESIDE = '{"output_includes_reasoning": "no"}'


async def replay(
    recorded: dict[str, Any], served: Served, vendor: Vendor, key: str, **fields: Any
) -> tuple[int, bytes, str]:
    content_type = next(value for name, value in recorded["headers"].items() if name.lower() == "content-type")
    if isinstance(content_type, list):
        content_type = content_type[0]
    body = recorded["body"].encode()

    async def answer(call: VendorCall) -> None:
        if "event-stream" not in content_type:
            await call.reply(body, status=recorded["status"], headers=f"content-type: {content_type}")
            return
        await call.begin_stream()
        for start in range(0, len(body), 1000):
            await call.chunk(body[start : start + 1000])
        await call.end_stream()

    vendor.answer = answer
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", json=question("x" * 30_000, model="priced", **fields))
    return reply.status_code, reply.content, reply.headers["content-type"]


@pytest.fixture
def priced(world: World) -> World:
    world.add_model("priced", prices=PRICES, max_output_tokens=10_000)
    return world


@pytest.mark.parametrize(
    ("name", "number", "classes"),
    [
        ("openai-chat-promptcache-write-gpt5.6-sol.json", 0, {"input": 8, "cache_write": 4012, "output": 4}),
        ("openai-chat-promptcache-write-gpt5.6-sol.json", 1, {"input": 8, "cache_read": 4012, "output": 4}),
        ("azure-openai-chat.json", 0, {"input": 14, "output": 9}),
        ("deepseek-chat-reasoner.json", 0, {"input": 12, "reasoning": 415, "output": 374}),
        ("ollama-local-openai-chat.json", 0, {"input": 136, "output": 15}),
        ("zai-glm-5.2.json", 0, {"input": 20, "reasoning": 58, "output": 9}),
        ("alibaba-qwen-reasoning.json", 0, None),
    ],
)
async def test_a_recorded_reply_is_passed_and_rated(
    priced: World, served: Served, vendor: Vendor, key: str, name: str, number: int, classes: dict[str, int] | None
) -> None:
    recorded = exchange(name, number)["response"]
    status, body, _ = await replay(recorded, served, vendor, key)
    assert (status, body) == (recorded["status"], recorded["body"].encode())
    (record,) = await priced.recorded()
    _assert_rated(record, classes)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("alibaba-qwen-text-stream.json", None),
        ("deepseek-chat-toolcall-stream.json", {"input": 19, "cache_read": 320, "reasoning": 39, "output": 44}),
        ("zai-glm-4.7-stream.json", {"input": 13, "reasoning": 561, "output": 3}),
        ("openrouter-stream-reasoning.json", None),
    ],
)
async def test_a_recorded_stream_is_passed_byte_for_byte_and_rated(
    priced: World, served: Served, vendor: Vendor, key: str, name: str, classes: dict[str, int] | None
) -> None:
    recorded = exchange(name)["response"]
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    status, body, content_type = await replay(recorded, served, vendor, key, **asked)
    assert (status, body) == (200, recorded["body"].encode())
    assert content_type.startswith("text/event-stream")
    (record,) = await priced.recorded()
    _assert_rated(record, classes)


async def test_a_vendor_that_reports_reasoning_beside_its_output_is_rated_for_both(
    priced: World, served: Served, vendor: Vendor, key: str
) -> None:
    priced.execute("UPDATE connections_connection SET options = %s", REASONING_BESIDE)
    recorded = exchange("xai-chat-small.json")["response"]
    await served.gateway.keeper.refresh()
    _, body, _ = await replay(recorded, served, vendor, key)
    assert body == recorded["body"].encode()
    (record,) = await priced.recorded()
    _assert_rated(record, {"input": 10, "cache_read": 2, "reasoning": 228, "output": 1}, vendor_cost=True)


async def test_recorded_errors_pass_unchanged_and_cost_nothing(
    priced: World, served: Served, vendor: Vendor, key: str
) -> None:
    for count, name in enumerate(("openai-chat-404-model.json", "openrouter-429-and-errors.json"), start=1):
        recorded = exchange(name)["response"]
        status, body, _ = await replay(recorded, served, vendor, key)
        assert (status, body) == (recorded["status"], recorded["body"].encode())
        record = (await priced.recorded(count))[-1]
        assert (record["http_status"], record["charge_nano"], record["classes"]) == (recorded["status"], 0, [])


def _assert_rated(record: dict[str, Any], classes: dict[str, int] | None, *, vendor_cost: bool = False) -> None:
    rated = dict(zip(record["classes"], record["quantities"], strict=True))
    if classes is not None:
        assert rated == classes
    assert record["charge_nano"] == sum(int(PRICES[kind]) * count for kind, count in rated.items()) > 0
    assert (record["vendor_cost_nano"] is not None) >= vendor_cost
    assert not record["is_estimated"]
