"""What makes a request dearer than its tokens: tiers, regions, speed, tools, thinking, length. Held for, or refused."""

from typing import Any

import pytest

from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World
from tests.security.asking import answering, ask, packed, refused, usage_reply, worst_nano

STEP = 1_000


DEARER: list[dict[str, Any]] = [
    {"service_tier": "priority"},
    {"service_tier": "flex"},
    {"service_tier": "PRIORITY"},
    {"service_tier": "scale"},
    {"speed": "fast"},
    {"inference_geo": "us"},
    {"prediction": {"type": "content", "content": "x"}},
    {"web_search_options": {"search_context_size": "high"}},
    {"search_parameters": {"mode": "on"}},
    {"enable_search": True},
    {"plugins": [{"id": "web"}]},
    {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    {"modalities": ["image"]},
]


async def test_a_surcharge_without_a_price_is_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    for fields in DEARER:
        refusal = await refused(served, world, vendor, key, packed(**fields))
        assert (fields, *refusal) == (fields, 400, "request_unpriced")


async def test_the_usual_tier_passes(served: Served, key: str) -> None:
    for tier in ("auto", "default", "standard", None):
        assert (tier, (await ask(served, key, service_tier=tier)).status_code) == (tier, 200)


async def test_a_tier_the_vendor_chose_by_itself_is_rated_as_the_dearest_and_marked(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    body = usage_reply('{"prompt_tokens":9,"completion_tokens":3}').replace(b'"id"', b'"service_tier":"priority","id"')
    vendor.answer = answering(body)
    assert (await ask(served, key, service_tier="auto")).status_code == 200
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["service_tier"], record["is_estimated"]) == (15_000, "priority", True)


TOOLS = (
    "web_search",
    "web_search_preview",
    "web_fetch",
    "file_search",
    "code_interpreter",
    "code_execution",
    "computer_use_preview",
    "computer",
    "mcp",
    "image_generation",
    "local_shell",
    "x_search",
    "google_search",
    "url_context",
    "retrieval",
    "Function",
    "function ",
    "",
)


async def test_a_tool_that_runs_at_the_vendor_is_refused(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for kind in TOOLS:
        for tools in ([{"type": kind}], [{"type": "function", "function": {"name": "f"}}, {"type": kind}]):
            assert (kind, *await refused(served, world, vendor, key, packed(tools=tools))) == (
                kind,
                400,
                "request_unpriced",
            )


async def test_media_whose_cost_has_no_bound_is_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": "https://example.org/large.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        {"type": "Text", "text": "x"},
        {"text": "without a type"},
    ]
    for part in parts:
        messages = [{"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}]
        assert await refused(served, world, vendor, key, packed(messages=messages)) == (400, "request_unpriced")


THINKING: list[dict[str, Any]] = [
    {"reasoning_effort": "xhigh"},
    {"reasoning": {"effort": "high", "max_tokens": 100_000}},
    {"thinking": {"type": "enabled", "budget_tokens": 100_000}},
    {"enable_thinking": True, "thinking_budget": 100_000},
    {"chat_template_kwargs": {"enable_thinking": True}},
]


async def test_thinking_is_held_for_within_the_maximum_and_charged_as_output(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    details = '"completion_tokens_details":{"reasoning_tokens":60}'
    vendor.answer = answering(usage_reply(f'{{"prompt_tokens":9,"completion_tokens":64,{details}}}'))
    for number, fields in enumerate(THINKING, start=1):
        await ask(served, key, max_tokens=64, **fields)
        record = (await world.recorded(number))[-1]
        assert record["reserved_nano"] == worst_nano(packed(max_tokens=64, **fields), maximum=64)
        assert record["charge_nano"] == 9 * 1000 + 64 * 2000 <= record["reserved_nano"]


@pytest.mark.parametrize(("tokens", "price"), [(STEP - 1, 1000), (STEP, 4000), (STEP + 1, 4000)])
async def test_the_length_at_which_prices_rise_is_exact_to_the_token_and_held_for(
    served: Served, world: World, vendor: Vendor, key: str, tokens: int, price: int
) -> None:
    model = world.add_model("long", prices={"input": "1000", "output": "2000"})
    for token_class, nano in (("input", "4000"), ("output", "9000")):
        world.insert(
            "catalog_price",
            book_id=world.book,
            model_id=model,
            token_class=token_class,
            nano_per_unit=nano,
            from_input_tokens=STEP,
            service_tier="standard",
            effective_from="2026-01-01T00:00:00Z",
            source="test",
            snapshot_sha256="",
        )
    await served.catch_up(world)
    vendor.answer = answering(usage_reply(f'{{"prompt_tokens":{tokens},"completion_tokens":5}}'))
    text = "x" * STEP
    await ask(served, key, packed(text=text, model="long", max_tokens=10))
    (record,) = await world.recorded()
    output = 2000 if price == 1000 else 9000
    assert record["charge_nano"] == tokens * price + 5 * output <= record["reserved_nano"]
    assert record["reserved_nano"] == worst_nano(packed(text=text, model="long"), maximum=0) * 4 + 10 * 9000 + 16 * 4000


async def test_a_request_that_cannot_reach_the_length_is_not_held_at_its_price(
    served: Served, world: World, key: str
) -> None:
    model = world.add_model("long")
    world.insert(
        "catalog_price",
        book_id=world.book,
        model_id=model,
        token_class="input",
        nano_per_unit="4000",
        from_input_tokens=100_000,
        service_tier="standard",
        effective_from="2026-01-01T00:00:00Z",
        source="test",
        snapshot_sha256="",
    )
    await served.catch_up(world)
    body = packed(model="long", max_tokens=10)
    await ask(served, key, body)
    (record,) = await world.recorded()
    assert record["reserved_nano"] == worst_nano(body, maximum=10)
