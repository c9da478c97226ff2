"""Amazon Bedrock behind Anthropic's wire: a vendor that checks signatures and streams frames, asked by a stock SDK."""

import json
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import parse_qs

import anthropic
import openai
import pytest

from governance.policy.snapshot import AliasPolicy
from tests.gateway.claude import COST_NANO, MESSAGES, PRICES, USAGE, asked, message, sdk
from tests.gateway.vendor import Vendor, VendorCall, chat_reply, refusing
from tests.gateway.world import Served, World, eventually
from tests.support.aws import KEYS, ROLE, TEMPORARY, assumed, chunk, exception, signed_for

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BODY = {"max_tokens": 64, "messages": MESSAGES, "anthropic_version": "bedrock-2023-05-31"}
BEGUN = {
    "type": "message_start",
    "message": {
        "id": "msg_bdrk_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": [],
        "stop_reason": None,
        "usage": {**USAGE, "output_tokens": 1},
    },
}
WORDS = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello!"}},
    {"type": "content_block_stop", "index": 0},
]
ENDED = [
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": USAGE},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 3}},
]


def add_bedrock(world: World, vendor: Vendor, *, credential: str = json.dumps(TEMPORARY), **options: str) -> None:
    """Add `claude`, which is a Claude model in an inference profile of the US, and `oss`, which is of another maker."""
    world.connection = world.add_connection(
        f"http://127.0.0.1:{vendor.port}",
        provider="bedrock",
        credential=credential,
        options=json.dumps({"region": "us-west-2", **options}),
    )
    world.add_model("claude", prices=PRICES)
    world.add_model("oss", prices=PRICES)
    for alias, name in (("claude", MODEL), ("oss", "openai.gpt-oss-120b-1:0")):
        world.execute(
            "UPDATE catalog_deployment SET upstream_name = %s WHERE upstream_name = %s", name, f"{alias}-2026"
        )


def check_signature(call: VendorCall) -> None:
    region = signed_for(path=call.path, headers=call.headers, body=call.body, secret=TEMPORARY["secret_access_key"])
    assert region == "us-west-2"
    assert call.headers["x-amz-security-token"] == TEMPORARY["session_token"]


async def answer(call: VendorCall) -> None:
    """Answer like Bedrock on a good day, to a request that is signed."""
    check_signature(call)
    if call.path.endswith("/chat/completions"):
        await call.reply(chat_reply())
    elif call.path.endswith("/count-tokens"):
        await call.reply(b'{"inputTokens": 16}')
    elif call.path.endswith("/invoke-with-response-stream"):
        await begin(call)
        for event in (BEGUN, *WORDS, *ENDED):
            await call.chunk(chunk(event))
        await call.end_stream()
    else:
        await call.reply(message())


async def begin(call: VendorCall) -> None:
    await call.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n"
    )


async def test_the_stock_sdk_reaches_a_claude_model_and_the_ledger_has_its_cost(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    add_bedrock(world, vendor)
    vendor.answer = answer
    await served.catch_up(world)
    async with sdk(served, key) as client:
        reply = await client.beta.messages.create(
            model="claude", max_tokens=64, messages=MESSAGES, betas=["context-1m-2025-08-07", "effort-2025-11-24"]
        )
    assert reply.content[0].text == "Hello!"
    (call,) = vendor.calls
    assert call.path == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"
    assert call.json == {**BODY, "anthropic_beta": ["context-1m-2025-08-07", "effort-2025-11-24"]}
    assert not {"anthropic-version", "anthropic-beta", "x-api-key"} & call.headers.keys()
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["wire"]) == (COST_NANO, "anthropic.messages")


async def test_a_stream_of_frames_is_the_stock_sdks_stream_of_events(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    add_bedrock(world, vendor)
    vendor.answer = answer
    await served.catch_up(world)
    asking = sdk(served, key)
    async with asking, asking.messages.stream(model="claude", max_tokens=64, messages=MESSAGES) as stream:
        assert [text async for text in stream.text_stream] == ["Hello!"]
        assert (await stream.get_final_message()).usage.output_tokens == 3
    (call,) = vendor.calls
    assert call.path.endswith("/invoke-with-response-stream") and call.json == BODY
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["is_stream"]) == (COST_NANO, True)


async def test_the_events_are_the_models_own_bytes(served: Served, world: World, vendor: Vendor, key: str) -> None:
    add_bedrock(world, vendor)
    vendor.answer = answer
    await served.catch_up(world)
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", json=asked(stream=True))
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = [BEGUN, *WORDS, *ENDED]
    assert reply.text == "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events)


async def test_a_client_of_another_wire_is_translated_and_another_makers_model_is_asked_in_its_own(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    add_bedrock(world, vendor)
    vendor.answer = answer
    await served.catch_up(world)
    hello: Mapping[str, object] = {"max_tokens": 64, "messages": MESSAGES}
    async with served.sdk(key) as client:
        parts = [part async for part in await client.chat.completions.create(model="claude", stream=True, **hello)]
        whole = await client.chat.completions.create(model="oss", **hello)
    assert "".join(part.choices[0].delta.content or "" for part in parts if part.choices) == "Hello!"
    assert whole.choices[0].message.content == "Hello!"
    assert vendor.calls[1].path == "/openai/v1/chat/completions"
    assert vendor.calls[1].json["model"] == "openai.gpt-oss-120b-1:0"
    assert [record["charge_nano"] for record in await world.recorded(2)] == [COST_NANO, COST_NANO]


async def test_tokens_are_counted_by_the_stock_sdk_and_for_a_client_of_another_wire(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    add_bedrock(world, vendor)
    vendor.answer = answer
    await served.catch_up(world)
    async with sdk(served, key) as client:
        assert (await client.messages.count_tokens(model="claude", messages=MESSAGES)).input_tokens == 16
        vendor.answer = refusing(400, b'{"message": "The provided model doesn\'t support counting tokens"}')
        with pytest.raises(anthropic.BadRequestError, match="doesn't support counting") as refused:
            await client.messages.count_tokens(model="claude", messages=MESSAGES)
        assert refused.value.type == "invalid_request_error"
    vendor.answer = answer
    async with served.sdk(key) as chat:
        assert (await chat.responses.input_tokens.count(model="claude", input="Hi")).input_tokens == 16
    assert {call.path for call in vendor.calls} == {"/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens"}
    invoked = b64decode(vendor.calls[0].json["input"]["invokeModel"]["body"])
    assert json.loads(invoked) == {**BODY, "max_tokens": 1}
    assert [record["charge_nano"] for record in await world.recorded(3)] == [0, 0, 0]


async def test_a_refusal_is_said_in_the_clients_wire_without_what_the_vendor_repeats(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    add_bedrock(world, vendor)
    said = f"The Canonical String should have been 'x-amz-security-token:{TEMPORARY['session_token']}'."
    vendor.answer = refusing(403, json.dumps({"message": said}).encode())
    await served.catch_up(world)
    async with sdk(served, key) as client:
        with pytest.raises(anthropic.PermissionDeniedError, match=r"security-token:\[credential\]'") as refused:
            await client.messages.create(model="claude", max_tokens=64, messages=MESSAGES)
    assert refused.value.type == "permission_error"
    async with served.sdk(key) as chat:
        with pytest.raises(openai.PermissionDeniedError, match="Canonical String"):
            await chat.chat.completions.create(model="oss", max_tokens=64, messages=MESSAGES)
    assert {attempt["state"] for attempt in world.attempts()} <= {"released"}


@pytest.mark.parametrize("is_damaged", [True, False])
async def test_trap_23_a_stream_that_fails_on_the_way_is_told_and_its_cost_stays_held(
    served: Served, world: World, vendor: Vendor, key: str, *, is_damaged: bool
) -> None:
    add_bedrock(world, vendor)
    broken = bytearray(chunk(ENDED[0]))
    broken[-1] ^= 1

    async def fail(call: VendorCall) -> None:
        await begin(call)
        await call.chunk(chunk(BEGUN) + chunk(WORDS[0]) + chunk(WORDS[1]))
        await call.chunk(bytes(broken) if is_damaged else exception("throttlingException", "Too many requests."))
        await call.end_stream()

    vendor.answer = fail
    await served.catch_up(world)
    async with sdk(served, key, max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError, match="broke before" if is_damaged else "Too many requests"):
            async with client.messages.stream(model="claude", max_tokens=64, messages=MESSAGES) as stream:
                async for _ in stream:
                    pass
    (attempt,) = await world.suspended()
    assert ("cut_short" if is_damaged else "usage_missing") in attempt["suspense_reason"]


async def test_a_role_is_assumed_and_its_temporary_keys_sign(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def assume(call: VendorCall) -> None:
        if call.path != "/":
            await answer(call)
            return
        region = signed_for(
            path="/", headers=call.headers, body=call.body, secret=KEYS["secret_access_key"], service="sts"
        )
        assert (region, parse_qs(call.body.decode())["RoleArn"]) == ("us-west-2", [ROLE])
        await call.reply(assumed(TEMPORARY), headers="content-type: text/xml")

    vendor.answer = assume
    sts = f"http://127.0.0.1:{vendor.port}"
    add_bedrock(world, vendor, credential=json.dumps(KEYS), role=ROLE, external_id="acme", sts=sts)
    await served.catch_up(world)

    def aliases() -> Mapping[str, AliasPolicy]:
        snapshot = served.gateway.keeper.snapshot
        return {} if snapshot is None else snapshot.aliases_of(world.organisation)

    await eventually(lambda: aliases()["claude"].deployments or None)
    async with sdk(served, key) as client:
        await client.messages.create(model="claude", max_tokens=64, messages=MESSAGES)
    assert [call.path.rpartition("/")[2] for call in vendor.calls] == ["", "invoke"]
    (record,) = await world.recorded()
    assert record["charge_nano"] == COST_NANO


async def test_an_api_key_is_a_bearer_token_and_nothing_is_signed(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    add_bedrock(world, vendor, credential="bedrock-api-key-canary")

    async def look(call: VendorCall) -> None:
        assert call.headers["authorization"] == "Bearer bedrock-api-key-canary" and "x-amz-date" not in call.headers
        await call.reply(message())

    vendor.answer = look
    await served.catch_up(world)
    async with served.client(key) as client:
        reply = await client.post("/v1/messages", json=asked())
    assert reply.status_code == 200
    assert await eventually(lambda: world.records() or None)
