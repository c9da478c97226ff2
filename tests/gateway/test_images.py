"""Images, asked for by the stock `openai` package: made, changed, streamed, priced by tokens or by the piece."""

import json
import re
from decimal import Decimal
from typing import Any

import openai
import pytest

from governance.plugin.openai_images import PLANNING_TOKENS
from tests.gateway.openai_vendor import event, replying, streaming
from tests.gateway.vendor import Vendor, VendorCall, refusing
from tests.gateway.world import Served, World

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
TOKEN_PRICES = {"input": "5000", "output": "10000", "input_image": "8000", "output_image": "30000"}
BOUNDS = {
    "image_output_tokens": 6240,
    "image_output_tokens.1024x1024.low": 272,
    "image_input_tokens": 6821,
    "image_input_tokens.low": 581,
}
USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
    "output_tokens": 272,
    "output_tokens_details": {"image_tokens": 272, "text_tokens": 0},
    "total_tokens": 322,
}
COST = 10 * 5_000 + 40 * 8_000 + 272 * 30_000


def images(*, count: int = 1, usage: Any = USAGE, **fields: Any) -> dict[str, Any]:
    """Return what a vendor answers, with a field that no library knows."""
    made = [{"b64_json": "iVBORw0KGgo=", "kept": True} for _ in range(count)]
    return {"created": 1, "data": made, "size": "1024x1024", **({} if usage is None else {"usage": usage}), **fields}


@pytest.fixture(autouse=True)
def models(world: World) -> None:
    """One whose images are priced by tokens, and one whose images cost two cents each."""
    world.execute("UPDATE connections_connection SET provider = 'openai'")
    world.add_model("painter", prices=TOKEN_PRICES, max_output_tokens=None, bounds=json.dumps(BOUNDS))
    world.add_model("printer", prices={"image": "20000000"}, max_output_tokens=None)


async def test_it_makes_images_and_pays_for_their_tokens(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = replying(images())
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    async with served.sdk(key) as client:
        raw = await client.images.with_raw_response.generate(
            model="painter", prompt="A cat", size="1024x1024", quality="low"
        )
    assert raw.content == json.dumps(images()).encode()
    (call,) = vendor.calls
    assert (call.path, call.json["model"]) == ("/v1/images/generations", "painter-2026")
    (record,) = await world.recorded()
    assert (record["wire"], record["charge_nano"], record["is_estimated"]) == ("openai.images", COST, False)
    assert dict(zip(record["classes"], record["quantities"], strict=True)) == {
        "input": 10,
        "input_image": 40,
        "output_image": 272,
    }
    assert (await world.at_rest(budget))["settled_nano"] == COST


@pytest.mark.parametrize(
    ("asked", "tokens"),
    [
        ({"size": "1024x1024", "quality": "low"}, 272),
        ({"quality": "low"}, 6240),
        ({}, 6240),
        ({"size": "auto", "quality": "auto", "n": 3}, 3 * 6240),
        ({"quality": "low", "size": "1024x1024", "partial_images": 3, "stream": True}, 272 + 300),
    ],
)
async def test_what_the_images_can_cost_at_most_is_held_before_they_are_made(
    served: Served, world: World, vendor: Vendor, key: str, asked: dict[str, Any], tokens: int
) -> None:
    world.add_budget(1)
    await served.catch_up(world)
    async with served.sdk(key) as client:
        with pytest.raises(openai.APIStatusError) as refusal:
            await client.images.generate(model="painter", prompt="A cat", **asked)
    assert (refusal.value.status_code, vendor.calls) == (402, [])
    told = re.search(r"can cost up to ([0-9.]+) USD", str(refusal.value))
    assert told is not None
    text_tokens = asked.get("n", 1) * PLANNING_TOKENS
    held = Decimal(told[1]).scaleb(9) - (tokens + text_tokens) * 30_000
    assert 512 * 5_000 <= held <= 1024 * 5_000


async def test_it_changes_images_that_come_as_files(served: Served, world: World, vendor: Vendor, key: str) -> None:
    vendor.answer = replying(images())
    async with served.sdk(key) as client:
        made = await client.images.edit(
            model="painter", image=[("a.png", PNG), ("b.png", PNG)], mask=("m.png", PNG), prompt="A hat", n=1
        )
        await client.images.edit(model="painter", image=PNG, prompt="A hat", input_fidelity="low", stream=False)
    assert made.data is not None and made.data[0].b64_json == "iVBORw0KGgo="
    call, other = vendor.calls
    assert call.path == "/v1/images/edits"
    assert call.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert call.body.count(PNG) == 3 and b"\r\n\r\npainter-2026\r\n" in call.body
    assert other.body.count(PNG) == 1
    records = await world.recorded(2)
    assert {(record["wire"], record["charge_nano"]) for record in records} == {("openai.image_edits", COST)}


async def test_a_stream_shows_sketches_and_is_paid_by_its_last_event(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    sketch = "c2tldGNo" * 40_000
    place = {"background": "auto", "created_at": 1, "output_format": "png", "quality": "low", "size": "1024x1024"}
    for kind in ("image_generation", "image_edit"):
        partial = event(f"{kind}.partial_image", 0, b64_json=sketch, partial_image_index=0, **place)
        last = event(f"{kind}.completed", 1, b64_json=sketch, usage=USAGE, **place)
        vendor.answer = streaming(partial[:9_000], partial[9_000:], last)
        async with served.sdk(key) as client:
            asked: dict[str, Any] = {"model": "painter", "prompt": "A cat", "partial_images": 2, "stream": True}
            if kind == "image_edit":
                stream = await client.images.edit(image=PNG, **asked)
            else:
                stream = await client.images.generate(**asked)
            seen = [each.type async for each in stream]
        assert seen == [f"{kind}.partial_image", f"{kind}.completed"]
    assert [record["charge_nano"] for record in await world.recorded(2)] == [COST, COST]


async def test_a_stream_without_its_last_event_stays_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = streaming(event("image_generation.partial_image", 0, b64_json="AA=="))
    async with served.client(key) as client:
        await client.post("/v1/images/generations", json={"model": "painter", "prompt": "A cat", "stream": True})
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"].startswith("usage_missing")


async def test_images_are_paid_by_the_piece_where_the_vendor_prices_them_so(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.execute("UPDATE connections_connection SET provider = 'xai'")
    vendor.answer = replying(images(count=2, usage={"cost_in_usd_ticks": 400_000_000}))
    await served.catch_up(world)
    budget = world.add_budget(50_000_000)
    await served.catch_up(world)
    async with served.sdk(key) as client:
        await client.images.generate(model="printer", prompt="A cat", n=2, response_format="url")
        with pytest.raises(openai.APIStatusError, match="USD left"):
            await client.images.generate(model="printer", prompt="A cat")
    (record,) = await world.recorded()
    assert (record["classes"], record["quantities"], record["charge_nano"]) == (["image"], [2], 40_000_000)
    assert (record["vendor_cost_nano"], record["is_estimated"]) == (40_000_000, False)
    assert (await world.at_rest(budget))["settled_nano"] == 40_000_000


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (images(usage=None), "price_missing"),
        (images(svg_usage=USAGE), "usage_unreadable"),
        ({"created": 1}, "usage_missing"),
    ],
)
async def test_what_the_vendor_does_not_say_stays_held(
    served: Served, world: World, vendor: Vendor, key: str, body: dict[str, Any], reason: str
) -> None:
    vendor.answer = replying(body)
    async with served.client(key) as client:
        reply = await client.post("/v1/images/generations", json={"model": "painter", "prompt": "A cat"})
    assert reply.json() == body
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"] == reason


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"output_format": "gif"}, "output_format gif"),
        ({"output_format": "svg", "svg": {"model": "tiny"}}, "svg"),
        ({"frame_count": 4}, "frame_count"),
        ({"prompt_rewriter": True}, "prompt_rewriter"),
        ({"resolution": "2k"}, "resolution 2k"),
        ({"n": 11}, "'n'"),
        ({"n": 1.5}, "'n'"),
        ({"n": True}, "'n'"),
        ({"partial_images": 4}, "'partial_images'"),
        ({"stream": True, "n": 2}, "one image"),
        ({"quality": 5}, "'quality'"),
        ({"models": ["big"]}, "'models'"),
    ],
)
async def test_what_has_no_known_cost_is_refused(
    served: Served, vendor: Vendor, key: str, fields: dict[str, Any], told: str
) -> None:
    async with served.client(key) as client:
        reply = await client.post("/v1/images/generations", json={"model": "painter", "prompt": "A cat", **fields})
    assert (reply.status_code, vendor.calls) == (400, [])
    assert told in reply.json()["error"]["message"]


async def test_a_model_without_a_bound_for_images_makes_none(served: Served, vendor: Vendor, key: str) -> None:
    async with served.sdk(key) as client:
        with pytest.raises(openai.BadRequestError, match="--bound"):
            await client.images.generate(model="tiny", prompt="A cat")
        with pytest.raises(openai.BadRequestError, match="image_input_tokens"):
            await client.images.edit(model="tiny", image=PNG, prompt="A cat")
        with pytest.raises(openai.BadRequestError, match="priced by image"):
            await client.chat.completions.create(
                model="printer", messages=[{"role": "user", "content": "Hi"}], max_tokens=9
            )
    assert vendor.calls == []


async def test_images_are_refused_and_retried_like_any_other_request(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    overloaded = refusing(503, b'{"error":{"message":"overloaded"}}')

    async def answer(call: VendorCall) -> None:
        await (overloaded if len(vendor.calls) == 1 else replying(images()))(call)

    vendor.answer = answer
    async with served.sdk("bsr_wrong") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.images.generate(model="painter", prompt="A cat")
    async with served.sdk(key) as client:
        with pytest.raises(openai.NotFoundError, match="Did you mean"):
            await client.images.generate(model="pinter", prompt="A cat")
        raw = await client.images.with_raw_response.edit(model="painter", image=PNG, prompt="A hat")
    assert raw.headers["x-bursar-attempts"] == "2"
    assert vendor.calls[0].body == vendor.calls[1].body
