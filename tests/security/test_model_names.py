"""Names that are almost a model's, and requests that would have another one answer: no way past the allow-list."""

import json
from typing import Any

import openai
import pytest

from governance.catalog.names import is_alias_name
from governance.gateway.routes import ROUTES
from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World
from tests.security.asking import ask, packed, refused

NEARLY = (
    "Tiny",
    "TINY",
    " tiny",
    "tiny ",
    "tiny\n",
    "tiny\t",
    "tiny\u00a0",
    "tiny\u200b",
    "\ufefftiny",
    "tin\u0443",  # Cyrillic
    "t\u0456ny",
    "\uff54\uff49\uff4e\uff59",  # full width
    "tin\u00fd",
    "tiny\u0000",
    "tiny-2026",
    "tiny:free",
    "tiny:online",
    "tiny@latest",
    "tiny/../big",
    "openai/tiny",
    "tiny labs/tiny",
    "openai_compatible/tiny",
    "tiny,big",
    "tiny|big",
    "ti*",
    "*",
)


async def test_a_name_that_is_nearly_a_models_is_unknown(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_model("big")
    await served.catch_up(world)
    for name in NEARLY:
        assert (name, *await refused(served, world, vendor, key, packed(model=name))) == (name, 404, "model_unknown")


async def test_a_model_that_is_no_text_is_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    for model in (5, True, None, ["tiny"], {"name": "tiny"}, "", "x" * 257):
        assert await refused(served, world, vendor, key, packed(model=model)) == (400, "bad_request")


def test_no_alias_can_be_made_that_looks_like_another() -> None:
    assert is_alias_name("tiny")
    assert [name for name in NEARLY if is_alias_name(name) and not name.isascii()] == []
    assert [name for name in (" tiny", "tiny ", "tiny\n", "tiny\u200b", "tin\u0443", "") if is_alias_name(name)] == []


async def test_an_alias_is_priced_and_allowed_by_its_own_name_only(
    served: Served, world: World, vendor: Vendor
) -> None:
    big = world.add_model("big", prices={"input": "50000", "output": "90000"})
    world.add_alias("small-looking", model=big, upstream_name="big-of-2026")
    key_id, key = world.add_key(name="narrow")
    world.insert("policy_allowrule", organisation_id=world.organisation, key_id=key_id, pattern="small*")
    await served.catch_up(world)
    reply = await ask(served, key, model="small-looking", max_tokens=50)
    assert reply.status_code == 200
    (record,) = await world.recorded()
    assert (record["model_id"], record["charge_nano"]) == (big, 9 * 50_000 + 3 * 90_000)
    for name in ("big", "big-2026"):
        assert (await ask(served, key, model=name)).status_code in (403, 404)


CHOOSERS: list[dict[str, Any]] = [
    {"models": ["big"]},
    {"models": ["tiny", "big"]},
    {"route": "fallback"},
    {"fallbacks": ["big"]},
    {"fallbacks": [{"model": "big"}]},
    {"provider": {"order": ["Dear"], "allow_fallbacks": True}},
    {"preset": "my-dear-preset"},
    {"plugins": [{"id": "auto-router"}]},
    {"previous_response_id": "resp_1"},
    {"conversation": "conv_1"},
    {"cached_content": "cachedContents/1"},
    {"extra_body": {"google": {"cached_content": "cachedContents/1"}}},
]


@pytest.fixture
def narrow_key(world: World) -> str:
    """A key that may call `tiny` alone, beside a dear model."""
    world.add_model("big", prices={"input": "50000", "output": "90000"})
    key_id, key = world.add_key(name="narrow")
    world.insert("policy_allowrule", organisation_id=world.organisation, key_id=key_id, pattern="tiny")
    return key


async def test_no_field_gets_past_the_allow_list(served: Served, world: World, vendor: Vendor, narrow_key: str) -> None:
    await served.catch_up(world)
    assert await refused(served, world, vendor, narrow_key, packed(model="big")) == (403, "model_not_allowed")
    for fields in CHOOSERS:
        status, code = await refused(served, world, vendor, narrow_key, packed(**fields))
        assert (fields, status) == (fields, 400)
        assert code in ("bad_request", "request_unpriced")


async def test_switched_off_choosers_pass(served: Served, vendor: Vendor, narrow_key: str) -> None:
    for off in (None, [], {}, False):
        assert (await ask(served, narrow_key, models=off, provider=off, extra_body=off)).status_code == 200
    assert {call.json["model"] for call in vendor.calls} == {"tiny-2026"}


UNMETERED = (
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/batches",
    "/v1/files",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/moderations",
    "/v1/fine_tuning/jobs",
    "/v1/realtime",
    "/v1/assistants",
    "/v1/threads",
    "/v1/vector_stores",
    "/v1/videos",
    "/v1/messages",
    "/v1/messages/batches",
    "/v1beta/tunedModels/tiny:generateContent",
    "/v1beta/cachedContents",
    "/v1beta/files",
    "/v1beta/interactions",
    "/v1beta/openai/chat/completions",
    "/upload/v1beta/files",
    "/v1alpha/models/tiny:generateContent",
    "/v1/proxy/chat/completions",
    "/proxy/v1/chat/completions",
    "/openai/v1/chat/completions",
    "/v1/chat/completions/",
    "/v1//chat/completions",
    "/v1/chat/completions;x",
    "/V1/chat/completions",
    "/chat/completions",
)


async def test_what_is_not_metered_does_not_exist(
    served: Served, world: World, vendor: Vendor, narrow_key: str
) -> None:
    routes = {route.path for route in ROUTES}
    async with served.client(narrow_key) as client:
        for path in UNMETERED:
            if path in routes:
                continue
            request = client.build_request("POST", served.url, content=packed())
            request.url = request.url.copy_with(raw_path=path.encode())
            reply = await client.send(request)
            assert (path, reply.status_code) == (path, 404)
            assert b'"route_unknown"' in reply.content.lower()
    assert vendor.calls == [] and world.attempts() == []


async def test_the_stock_client_cannot_reach_other_files_images_or_speech(
    served: Served, vendor: Vendor, narrow_key: str
) -> None:
    async with served.sdk(narrow_key) as client:
        for purpose in ("user_data", "fine-tune", "vision", "assistants", "evals"):
            with pytest.raises(openai.BadRequestError, match="purpose 'batch'"):
                await client.files.create(file=("a.jsonl", json.dumps({"body": {}}).encode()), purpose=purpose)
        with pytest.raises(openai.NotFoundError):
            await client.batches.create(
                input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
            )
        with pytest.raises(openai.NotFoundError):
            await client.images.create_variation(model="tiny", image=b"...")
        for model, error in (("tiny", openai.BadRequestError), ("big", openai.PermissionDeniedError)):
            with pytest.raises(error):
                await client.images.generate(model=model, prompt="a cat")
            with pytest.raises(error):
                await client.images.edit(model=model, prompt="a cat", image=b"...")
            with pytest.raises(error):
                await client.audio.speech.create(model=model, voice="alloy", input="Hi")
            with pytest.raises(error):
                await client.audio.transcriptions.create(model=model, file=b"...")
    assert vendor.calls == []
