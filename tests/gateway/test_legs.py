"""Attempts that follow one another: which failures deserve another one, where, and what each of them is booked at."""

import asyncio
import contextlib
import json
from typing import Any

import httpx
import openai
import pytest

from governance.gateway.limits import Limits
from governance.gateway.retry_budget import FLOOR
from tests.gateway.vendor import (
    DONE,
    USAGE,
    Answer,
    Vendor,
    VendorCall,
    answer_plainly,
    break_off,
    break_off_before_the_first_event,
    break_off_in_the_body,
    chat_event,
    chat_reply,
    in_turn,
    refusing,
    say_nothing,
)
from tests.gateway.world import Served, World, eventually, question

EMPTY_BALANCE = b'{"error":{"message":"pay","code":"insufficient_quota"}}'
NO_SUCH_MODEL = b'{"error":{"message":"no such model","code":"model_not_found"}}'
MESSAGES: Any = [{"role": "user", "content": "Hi"}]


async def ask(served: Served, key: str, **fields: Any) -> httpx.Response:
    async with served.client(key) as client:
        return await client.post("/v1/chat/completions", json=question(**fields))


def counted(served: Served, name: str) -> dict[tuple[str, ...], int]:
    counters = served.gateway.metrics.numbers.counters
    return {tuple(key.split("\t")[1:]): count for key, count in counters.items() if key.startswith(f"{name}\t")}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refusing(408), "http_408"),
        (refusing(409), "http_409"),
        (refusing(429), "http_429"),
        (refusing(500), "http_500"),
        (refusing(503), "http_503"),
        (break_off, "answer_lost"),
        (break_off_in_the_body, "answer_lost"),
    ],
    ids=["408", "409", "429", "500", "503", "broken off", "broken off in the body"],
)
async def test_what_may_pass_is_tried_again_and_then_elsewhere(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str, answer: Answer, reason: str
) -> None:
    vendor.answer = answer
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.content) == (200, chat_reply())
    assert (len(vendor.calls), len(other.calls)) == (3, 1)
    assert (reply.headers["x-bursar-attempts"], reply.headers["x-bursar-model"]) == ("4", "big")
    assert counted(served, "bursar_retries") == {("retry", reason): 2, ("fallback", reason): 1}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refusing(401), "http_401"),
        (refusing(402), "http_402"),
        (refusing(403), "http_403"),
        (refusing(404), "http_404"),
        (refusing(400, NO_SUCH_MODEL), "http_400"),
        (refusing(429, EMPTY_BALANCE), "http_429"),
        (refusing(429, headers="retry-after: 86400"), "http_429"),
        (refusing(503, headers="retry-after: Fri, 31 Dec 9999 23:59:59 GMT"), "http_503"),
        (refusing(503, headers="x-should-retry: false"), "http_503"),
        (refusing(307, headers="location: http://127.0.0.1:1/"), "redirected"),
    ],
    ids=["401", "402", "403", "404", "model", "balance", "a day", "for ever", "told not to", "redirect"],
)
async def test_what_is_wrong_with_one_vendor_is_tried_elsewhere_at_once(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str, answer: Answer, reason: str
) -> None:
    vendor.answer = answer
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.headers["x-bursar-attempts"]) == (200, "2")
    assert (len(vendor.calls), len(other.calls)) == (1, 1)
    assert counted(served, "bursar_retries") == {("fallback", reason): 1}


@pytest.mark.parametrize("status", [400, 405, 413, 415, 422])
async def test_what_every_vendor_would_refuse_is_told_at_once(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str, status: int
) -> None:
    vendor.answer = refusing(status, b'{"error":{"message":"the request is wrong"}}')
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.content) == (status, b'{"error":{"message":"the request is wrong"}}')
    assert (len(vendor.calls), len(other.calls)) == (1, 0)
    assert "x-bursar-attempts" not in reply.headers
    assert counted(served, "bursar_retries") == {}


async def test_a_vendor_that_cannot_be_reached_costs_nothing_and_another_answers(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    world.execute(
        "UPDATE connections_connection SET base_url = 'http://127.0.0.1:9/v1' WHERE id = %s", world.connection
    )
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.headers["x-bursar-model"]) == (200, "big")
    assert counted(served, "bursar_retries") == {("retry", "unreachable"): 2, ("fallback", "unreachable"): 1}
    assert (await world.at_rest(budget))["settled_nano"] == 9 * 5000 + 3 * 10_000
    assert len(world.records()) == 1


async def test_each_attempt_has_its_own_record_and_their_sum_is_what_the_vendors_charge(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    vendor.answer = refusing(429)
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    reply = await ask(served, key)
    # By the attempt's id, which is made of the machine's clock: the books' own clock may be set between two of them.
    records = sorted(await world.recorded(4), key=lambda record: record["attempt_id"])
    assert [record["charge_nano"] for record in records] == [0, 0, 0, 9 * 5000 + 3 * 10_000]
    assert {str(record["request_id"]) for record in records} == {reply.headers["x-request-id"]}
    assert len({record["deployment_id"] for record in records}) == 2
    assert str(records[-1]["attempt_id"]) == reply.headers["x-bursar-attempt-id"]
    assert reply.headers["x-bursar-cost-usd"] == "0.000075"
    assert (await world.at_rest(budget))["settled_nano"] == 75_000
    booked = counted(served, "bursar_attempts")
    assert booked == {("settled", "vendor_error"): 3, ("settled", "completed"): 1}


async def test_an_attempt_that_may_have_been_charged_keeps_its_hold_beside_the_one_that_answered(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = in_turn(refusing(500), answer_plainly)
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.headers["x-bursar-attempts"], reply.headers["x-bursar-model"]) == (
        200,
        "2",
        "tiny",
    )
    (record,) = await world.recorded()
    (attempt,) = await world.suspended()
    assert (str(record["attempt_id"]), record["request_id"]) == (
        reply.headers["x-bursar-attempt-id"],
        attempt["request_id"],
    )
    account = await eventually(lambda: a if (a := world.account(budget))["held_nano"] == attempt["held_nano"] else None)
    assert account["settled_nano"] == 15_000


async def test_an_attempt_that_the_budget_cannot_pay_on_top_is_not_made_and_the_failure_before_is_told(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    vendor.answer = refusing(503, b'{"error":{"message":"overloaded"}}')
    world.add_budget(1_300_000)
    await served.catch_up(world)
    reply = await ask(served, key, max_tokens=200)
    assert (reply.status_code, reply.content) == (503, b'{"error":{"message":"overloaded"}}')
    assert (len(vendor.calls), len(other.calls)) == (1, 0)
    (attempt,) = await world.suspended()
    assert str(attempt["id"]) == reply.headers["x-bursar-attempt-id"]


async def test_a_fallback_without_a_price_is_passed_over(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = in_turn(refusing(404, NO_SUCH_MODEL), answer_plainly)
    unpriced = world.add_model("unpriced", prices={})
    world.add_fallback("tiny", model=unpriced, connection=world.connection)
    cheap = world.add_model("cheap", prices={"input": "1", "output": "1"})
    world.add_fallback("tiny", model=cheap, connection=world.connection, position=2)
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.headers["x-bursar-model"]) == (200, "cheap")
    assert [call.json["model"] for call in vendor.calls] == ["tiny-2026", "fallback-2"]


async def test_when_all_fail_the_client_gets_the_last_vendors_own_words(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    vendor.answer = refusing(404, NO_SUCH_MODEL)
    other.answer = refusing(429, b'{"error":{"message":"slow down"}}', headers="retry-after: 77")
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.content) == (429, b'{"error":{"message":"slow down"}}')
    assert (reply.headers["retry-after"], reply.headers["x-bursar-attempts"]) == ("77", "2")
    assert reply.headers["x-bursar-model"] == "big"


async def test_our_own_error_says_how_many_attempts_there_were(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = break_off
    reply = await ask(served, key)
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "provider_unavailable")
    assert reply.headers["x-bursar-attempts"] == "3"
    attempts = await world.suspended(3)
    assert str(attempts[-1]["id"]) == reply.headers["x-bursar-attempt-id"]


@pytest.mark.parametrize(
    "header", ["retry-after: 0", "retry-after-ms: 20", "retry-after: Mon, 01 Jan 2024 00:00:00 GMT"]
)
async def test_a_short_wait_that_a_vendor_asks_for_is_kept(
    served: Served, world: World, vendor: Vendor, key: str, header: str
) -> None:
    vendor.answer = in_turn(refusing(429, headers=header), answer_plainly)
    reply = await ask(served, key)
    assert (reply.status_code, len(vendor.calls)) == (200, 2)


async def test_a_storm_of_overload_adds_a_tenth_to_what_clients_ask(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = refusing(429, headers="retry-after-ms: 1")
    requests = 100
    async with served.client(key) as client:
        for _ in range(10):
            replies = await asyncio.gather(
                *(client.post("/v1/chat/completions", json=question()) for _ in range(requests // 10))
            )
            assert {reply.status_code for reply in replies} == {429}
    assert requests < len(vendor.calls) <= 1.1 * requests + FLOOR
    assert sum(counted(served, "bursar_retries").values()) == len(vendor.calls) - requests
    assert len(await world.recorded(len(vendor.calls))) == len(vendor.calls)


async def test_a_storm_at_every_deployment_is_not_doubled_by_fallbacks(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    vendor.answer = other.answer = refusing(429, headers="retry-after-ms: 1")
    await served.catch_up(world)
    requests, until_both_are_open = 60, 10
    async with served.client(key) as client:
        for _ in range(requests):
            assert (await client.post("/v1/chat/completions", json=question())).status_code == 429
    calls = len(vendor.calls) + len(other.calls)
    assert requests < calls <= 1.1 * requests + FLOOR + until_both_are_open
    assert {record["charge_nano"] for record in await world.recorded(calls)} == {0}


async def test_a_fallback_to_another_provider_is_paid_by_the_budgets_of_that_provider(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    vendor.answer = refusing(404, NO_SUCH_MODEL)
    tight = world.add_budget(1, provider="sandbox")
    world.execute("UPDATE connections_connection SET provider = 'sandbox' WHERE base_url = %s", other.base_url)
    await served.catch_up(world)
    reply = await ask(served, key)
    assert (reply.status_code, reply.content, len(other.calls)) == (404, NO_SUCH_MODEL, 0)
    assert "x-bursar-attempts" not in reply.headers
    assert world.account(tight)["settled_nano"] == 0


async def test_a_client_that_goes_between_attempts_is_not_asked_for_again(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    vendor.answer = refusing(503, headers="retry-after: 4")
    await served.catch_up(world)
    body = json.dumps(question()).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    await world.suspended()
    writer.transport.abort()
    await eventually(lambda: True if not served.gateway.in_flight else None, seconds=3)
    assert (len(vendor.calls), len(other.calls)) == (1, 0)
    assert counted(served, "bursar_refusals") == {("client_gone",): 1}


@pytest.mark.parametrize("answer", [break_off_before_the_first_event, break_off, refusing(500)])
async def test_a_stream_that_fails_before_its_first_byte_is_answered_by_another(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str, answer: Answer
) -> None:
    vendor.answer = answer
    await served.catch_up(world)
    reply = await ask(served, key, stream=True)
    expected = chat_event("Hel") + chat_event("lo") + chat_event("!") + chat_event(finish="stop") + DONE
    assert (reply.content, reply.headers["x-bursar-model"]) == (expected, "big")
    (record,) = await world.recorded()
    assert record["charge_nano"] == 75_000
    assert len(await world.suspended(3)) == 3


async def test_a_stream_that_fails_after_its_first_byte_is_never_begun_anew(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(b": one moment\n\n")
        call.writer.transport.abort()

    vendor.answer = answer
    await served.catch_up(world)
    reply = await ask(served, key, stream=True)
    assert reply.content.startswith(b': one moment\n\ndata: {"error"')
    assert (len(vendor.calls), len(other.calls)) == (1, 0)
    assert len(await world.suspended()) == 1


async def test_the_stock_sdk_gets_its_answer_and_its_stream_from_the_fallback(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    vendor.answer = refusing(429)
    await served.catch_up(world)
    async with served.sdk(key) as client:
        reply = await client.chat.completions.create(model="tiny", messages=MESSAGES)
        stream = await client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True)
        words = [chunk.choices[0].delta.content async for chunk in stream]
    assert reply.choices[0].message.content == "Hello!"
    assert words == ["Hel", "lo", "!", None]


async def test_the_stock_sdk_raises_its_own_error_when_nobody_answers(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    vendor.answer = other.answer = refusing(400, b'{"error":{"message":"the request is wrong","code":"x"}}')
    await served.catch_up(world)
    async with served.sdk(key) as client:
        with pytest.raises(openai.BadRequestError, match="the request is wrong"):
            await client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert len(vendor.calls) == 1


class TestBreakers:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(
            retries=0,
            breaker_open_seconds=1,
            watch_seconds=0.05,
            database_seconds=20,
            lease_idle_seconds=0.3,
        )

    async def test_a_deployment_that_keeps_failing_is_left_alone_until_a_probe_succeeds(
        self, served: Served, world: World, vendor: Vendor, other: Vendor, key: str
    ) -> None:
        vendor.answer = refusing(503)
        await served.catch_up(world)
        gauge = b"bursar_breaker_open 1.0"
        async with served.client(key) as client:
            for _ in range(8):
                assert (await client.post("/v1/chat/completions", json=question())).status_code == 200
            assert (len(vendor.calls), len(other.calls)) == (5, 8)
            assert gauge in (await client.get("/metrics")).content
            vendor.answer = answer_plainly
            async with asyncio.timeout(10):
                while len(vendor.calls) == 5:
                    reply = await client.post("/v1/chat/completions", json=question())
                    assert reply.status_code == 200
                    await asyncio.sleep(0.05)
            assert reply.headers["x-bursar-model"] == "tiny"
            assert gauge not in (await client.get("/metrics")).content

    async def test_where_all_are_open_the_first_is_tried_all_the_same(
        self, served: Served, world: World, vendor: Vendor, other: Vendor, key: str
    ) -> None:
        vendor.answer = other.answer = refusing(503)
        await served.catch_up(world)
        async with served.client(key) as client:
            for _ in range(6):
                assert (await client.post("/v1/chat/completions", json=question())).status_code == 503
            asked = len(vendor.calls)
            vendor.answer = answer_plainly
            reply = await client.post("/v1/chat/completions", json=question())
        assert (reply.status_code, reply.headers["x-bursar-model"]) == (200, "tiny")
        assert (asked, len(vendor.calls), len(other.calls)) == (6, 7, 5)


class TestSlowVendors:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(
            lease_idle_seconds=0.3,
            connect_seconds=0.5,
            first_byte_seconds=0.5,
            idle_seconds=0.5,
            total_seconds=2,
            watch_seconds=0.05,
            database_seconds=20,
        )

    @pytest.mark.parametrize("is_stream", [False, True])
    async def test_one_that_hangs_before_its_headers_is_not_asked_again_but_another_is(
        self, served: Served, world: World, vendor: Vendor, other: Vendor, key: str, is_stream: bool
    ) -> None:
        vendor.answer = say_nothing
        await served.catch_up(world)
        reply = await ask(served, key, stream=is_stream)
        assert (reply.status_code, reply.headers["x-bursar-model"]) == (200, "big")
        assert (len(vendor.calls), len(other.calls)) == (1, 1)
        (attempt,) = await world.suspended()
        assert attempt["suspense_reason"] == "vendor_timed_out"
        assert counted(served, "bursar_retries") == {("fallback", "timed_out"): 1}

    async def test_one_that_hangs_before_the_first_event_is_replaced_and_one_that_hangs_later_is_not(
        self, served: Served, world: World, vendor: Vendor, other: Vendor, key: str
    ) -> None:
        async def hang(call: VendorCall) -> None:
            await call.begin_stream()
            if len(vendor.calls) > 1:
                await call.chunk(chat_event("Hello"))
            await call.closed()

        vendor.answer = hang
        await served.catch_up(world)
        first, second = await ask(served, key, stream=True), await ask(served, key, stream=True)
        assert first.content.endswith(DONE)
        assert json.loads(second.content.split(b"\n\n")[1][6:])["error"]["code"] == "provider_timed_out"
        assert len(other.calls) == 1

    async def test_one_that_drips_is_cut_off_when_the_time_for_all_attempts_is_over(
        self, served: Served, world: World, vendor: Vendor, other: Vendor, key: str
    ) -> None:
        async def drip(call: VendorCall) -> None:
            await call.begin_stream()
            with contextlib.suppress(ConnectionError):
                while not call.writer.is_closing():
                    await call.chunk(b": still here\n\n")
                    await asyncio.sleep(0.1)

        vendor.answer = drip
        await served.catch_up(world)
        reply = await ask(served, key, stream=True)
        assert b'"code":"provider_timed_out"' in reply.content
        assert len(other.calls) == 0
        (attempt,) = await world.suspended()
        assert attempt["suspense_reason"].startswith("cut_short")

    async def test_no_attempt_begins_after_the_time_for_all_of_them(
        self, served: Served, world: World, vendor: Vendor, other: Vendor, key: str
    ) -> None:
        async def drip(call: VendorCall) -> None:
            await call.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while not call.writer.is_closing():
                    await call.send(b" ")
                    await asyncio.sleep(0.1)

        vendor.answer = drip
        await served.catch_up(world)
        reply = await ask(served, key)
        assert (reply.status_code, len(other.calls)) == (504, 0)


async def test_what_a_fallback_answers_is_metered_by_its_own_prices_in_a_stream_too(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hi") + chat_event(finish="stop") + chat_event(usage=USAGE) + DONE)
        await call.end_stream()

    vendor.answer, other.answer = refusing(402), answer
    budget = world.add_budget(1_000_000_000)
    await served.catch_up(world)
    assert (await ask(served, key, stream=True)).status_code == 200
    first, second = await world.recorded(2)
    assert (first["charge_nano"], second["charge_nano"]) == (0, 75_000)
    assert (await world.at_rest(budget))["settled_nano"] == 75_000
