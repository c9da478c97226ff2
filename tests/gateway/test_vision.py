"""Images that are shown to a model: held at what the catalogue says they count as at most, refused without that."""

import base64
import json
import re
from decimal import Decimal
from typing import Any

import openai
import pytest

from tests.gateway.openai_vendor import answer_responses
from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World

LARGE = "data:image/png;base64," + base64.b64encode(bytes(60_000)).decode()
LINK = "https://example.test/a.png"
BOUNDS = json.dumps({"image_input_tokens": 1445, "image_input_tokens.low": 85})
PREAMBLE = 512
NANO_PER_TOKEN = 1_000


@pytest.fixture(autouse=True)
def seeing(world: World) -> None:
    """Two models: one of which it is known what images count as."""
    world.execute("UPDATE connections_connection SET provider = 'openai'")
    world.add_model("seeing", bounds=BOUNDS)


def chat(*images: dict[str, Any]) -> list[Any]:
    """Return a conversation that shows these."""
    return [{"role": "user", "content": [{"type": "image_url", "image_url": image} for image in images]}]


def response(*images: dict[str, Any]) -> list[Any]:
    """Return an input that shows these."""
    parts = [{"type": "input_image", "image_url": image["url"], **image} for image in images]
    for part in parts:
        del part["url"]
    return [{"role": "user", "content": parts}]


@pytest.mark.parametrize(
    ("images", "tokens"),
    [
        ([{"url": LARGE}], 1445),
        ([{"url": LINK, "detail": "auto"}, {"url": LARGE, "detail": "low"}], 1445 + 85),
        ([{"url": LINK, "detail": "low"}] * 3, 3 * 85),
    ],
)
async def test_images_are_held_at_their_bound_and_not_by_their_bytes(
    served: Served, world: World, vendor: Vendor, key: str, images: list[dict[str, Any]], tokens: int
) -> None:
    world.add_budget(1)
    await served.catch_up(world)
    async with served.sdk(key) as client:
        for make in (
            client.chat.completions.create(model="seeing", messages=chat(*images), max_tokens=1),
            client.responses.create(model="seeing", input=response(*images), max_output_tokens=1),
        ):
            with pytest.raises(openai.APIStatusError) as refusal:
                await make
            told = re.search(r"can cost up to ([0-9.]+) USD", str(refusal.value))
            assert told is not None
            held = int(Decimal(told[1]).scaleb(9)) // NANO_PER_TOKEN
            assert tokens + PREAMBLE < held < tokens + PREAMBLE + 600
    assert vendor.calls == []


async def test_images_pass_and_are_paid_as_the_vendor_counts_them(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.sdk(key) as client:
        await client.chat.completions.create(model="seeing", messages=chat({"url": LARGE}, {"url": LINK}))
        vendor.answer = answer_responses
        await client.responses.create(model="seeing", input=response({"url": LARGE}, {"url": LINK}))
    assert all(call.body.count(LARGE.encode()) == 1 for call in vendor.calls)
    assert [record["charge_nano"] for record in await world.recorded(2)] == [15_000, 15_000]


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"type": "image_url", "image_url": {"url": LINK, "detail": "original"}}, None),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "audio or files"),
        ({"type": "image_url", "image_url": {"url": "data:application/pdf;base64,AA"}}, "audio or files"),
        ({"type": "image_url", "image_url": {"url": LINK, "file_id": "file-1"}}, "audio or files"),
        ({"type": "image_url", "image_url": "x"}, "audio or files"),
        ({"type": "image_url", "image_url": {"url": 5}}, "a string"),
        ({"type": "image_url"}, "audio or files"),
        ({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, "audio or files"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "audio or files"),
    ],
)
async def test_what_is_no_image_of_known_cost_is_refused(
    served: Served, vendor: Vendor, key: str, part: dict[str, Any], told: str | None
) -> None:
    async with served.client(key) as client:
        body = {"model": "seeing", "max_tokens": 1, "messages": [{"role": "user", "content": [part]}]}
        reply = await client.post("/v1/chat/completions", json=body)
        unknown = await client.post("/v1/chat/completions", json={**body, "model": "tiny"})
    assert (reply.status_code, len(vendor.calls)) == ((200, 1) if told is None else (400, 0))
    assert told is None or told in reply.json()["error"]["message"]
    assert unknown.status_code == 400


async def test_an_image_that_stands_twice_in_its_part_is_refused(served: Served, vendor: Vendor, key: str) -> None:
    body = json.dumps({"model": "seeing", "max_tokens": 1, "messages": chat({"url": LINK, "detail": "low"})})
    twice = body.replace('"detail": "low"', '"detail": "low", "detail": "high"')
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", content=twice.encode())
    assert (reply.status_code, vendor.calls) == (400, [])
    assert "twice" in reply.json()["error"]["message"]


async def test_gemini_takes_the_bound_from_the_catalogue_where_its_connection_has_none(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.execute("UPDATE connections_connection SET provider = 'gemini'")
    world.add_budget(1)
    await served.catch_up(world)
    blob = {"inlineData": {"mimeType": "image/png", "data": LARGE.partition(",")[2]}}
    body = {"contents": [{"parts": [blob]}], "generationConfig": {"maxOutputTokens": 1, "responseModalities": ["TEXT"]}}
    async with served.client(key) as client:
        known = await client.post("/v1beta/models/seeing:generateContent", json=body)
        unknown = await client.post("/v1beta/models/tiny:generateContent", json=body)
    told = re.search(r"can cost up to ([0-9.]+) USD", known.json()["error"]["message"])
    assert told is not None
    assert 1445 + PREAMBLE < int(Decimal(told[1]).scaleb(9)) // NANO_PER_TOKEN < 1445 + 2 * PREAMBLE + 600
    assert (unknown.status_code, vendor.calls) == (400, [])
