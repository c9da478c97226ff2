"""What vendors report of whole replies: believed only when it can be true, and compared with what can be seen."""

import json

from tests.gateway.vendor import DONE, Vendor, VendorCall, chat_event
from tests.gateway.world import Served, World, eventually
from tests.security.asking import COST_NANO, answering, ask, usage_reply

LONG_TEXT = "The quick brown fox jumps over the lazy dog. " * 200

UNBELIEVABLE = {
    "missing": "null",
    "empty": "{}",
    "fractional": '{"prompt_tokens":9.5,"completion_tokens":3}',
    "whole but a float": '{"prompt_tokens":9.0,"completion_tokens":3}',
    "negative": '{"prompt_tokens":9,"completion_tokens":-3}',
    "negative zero": '{"prompt_tokens":9,"completion_tokens":-0.0}',
    "text": '{"prompt_tokens":"9","completion_tokens":"3"}',
    "boolean": '{"prompt_tokens":true,"completion_tokens":false}',
    "not a number": '{"prompt_tokens":NaN,"completion_tokens":3}',
    "endless": '{"prompt_tokens":1e400,"completion_tokens":3}',
    "beyond 64 bits": '{"prompt_tokens":18446744073709551617,"completion_tokens":3}',
    "beyond belief": '{"prompt_tokens":9,"completion_tokens":1099511627777}',
    "an array": '[{"prompt_tokens":9,"completion_tokens":3}]',
    "without output": '{"prompt_tokens":9}',
    "negative parts": '{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":-1}}',
}


async def test_a_report_that_cannot_be_true_leaves_the_money_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(10**9)
    await served.catch_up(world)
    for number, (name, usage) in enumerate(UNBELIEVABLE.items(), start=1):
        vendor.answer = answering(usage_reply(usage))
        reply = await ask(served, key, max_tokens=100)
        assert (name, reply.status_code, reply.content) == (name, 200, usage_reply(usage))
        assert "x-bursar-cost-usd" not in reply.headers
        assert (name, len(await world.suspended(number))) == (name, number)
    held = [attempt["held_nano"] for attempt in world.attempts()]
    assert min(held) > COST_NANO
    await eventually(lambda: True if world.account(budget)["held_nano"] == sum(held) else None)
    assert world.records() == []


async def test_of_a_count_that_stands_twice_the_last_one_counts_as_everywhere(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = answering(usage_reply('{"prompt_tokens":1,"prompt_tokens":9,"completion_tokens":3}'))
    await ask(served, key)
    (record,) = await world.recorded()
    assert record["charge_nano"] == COST_NANO


async def test_parts_that_exceed_their_total_are_charged_and_not_netted_to_nothing(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    details = '"prompt_tokens_details":{"cached_tokens":50},"completion_tokens_details":{"reasoning_tokens":70}'
    vendor.answer = answering(usage_reply(f'{{"prompt_tokens":9,"completion_tokens":3,{details}}}'))
    await ask(served, key)
    (record,) = await world.recorded()
    assert record["charge_nano"] == 50 * 1000 + 70 * 2000


async def test_output_that_shows_only_in_the_total_is_charged(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = answering(usage_reply('{"prompt_tokens":9,"completion_tokens":3,"total_tokens":112}'))
    await ask(served, key)
    (record,) = await world.recorded()
    assert record["charge_nano"] == 9 * 1000 + 103 * 2000


async def test_usage_smaller_than_the_visible_text_is_booked_as_reported_and_marked(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    """The vendor's word is what the invoice will say; that it cannot be the whole truth is what somebody should see."""
    vendor.answer = answering(usage_reply('{"prompt_tokens":9,"completion_tokens":3}', text=LONG_TEXT))
    await ask(served, key)
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["outcome"]) == (COST_NANO, "usage_doubtful")
    assert served.gateway.metrics.numbers.counters["bursar_attempts\tsettled\tusage_doubtful"] == 1


async def test_a_stream_that_shows_more_than_it_reports_is_marked_too(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        for start in range(0, len(LONG_TEXT), 100):
            await call.chunk(chat_event(LONG_TEXT[start : start + 100]))
        usage = {"prompt_tokens": 9, "completion_tokens": 3}
        await call.chunk(chat_event(finish="stop") + chat_event(usage=usage) + DONE)
        await call.end_stream()

    vendor.answer = answer
    await ask(served, key, stream=True)
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["outcome"]) == (COST_NANO, "usage_doubtful")


async def test_long_texts_that_are_reported_in_full_are_not_doubted(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = answering(usage_reply('{"prompt_tokens":9,"completion_tokens":2000}', text=LONG_TEXT))
    await ask(served, key)
    spaces = usage_reply('{"prompt_tokens":9,"completion_tokens":3}', text=" " * 3 * 128)
    vendor.answer = answering(spaces)
    await ask(served, key)
    records = await world.recorded(2)
    assert [record["outcome"] for record in records] == ["completed", "completed"]


async def test_usage_above_the_reservation_is_booked_in_full_and_leaves_an_overrun(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    budget = world.add_budget(10**7)
    await served.catch_up(world)
    vendor.answer = answering(usage_reply('{"prompt_tokens":9,"completion_tokens":90000}'))
    await ask(served, key, max_tokens=100)
    (record,) = await world.recorded()
    assert record["charge_nano"] == 9 * 1000 + 90_000 * 2000 > record["reserved_nano"]
    (overrun,) = world.rows("SELECT reserved_nano, charge_nano FROM metering_overrun")
    assert overrun == {name: record[name] for name in ("reserved_nano", "charge_nano")}
    account = await world.at_rest(budget)
    assert account["settled_nano"] == record["charge_nano"] > account["limit_nano"]
    assert (await ask(served, key, max_tokens=17)).status_code == 402


async def test_usage_beyond_what_any_integer_holds_is_suspense_and_no_crash(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_model("dear", prices={"input": "10000000000", "output": "10000000000"})
    await served.catch_up(world)
    vendor.answer = answering(usage_reply('{"prompt_tokens":1099511627776,"completion_tokens":1099511627776}'))
    assert (await ask(served, key, model="dear", max_tokens=17)).status_code == 200
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"] == "usage_absurd"


async def test_what_the_model_writes_about_usage_is_no_usage(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    text = json.dumps({"usage": {"prompt_tokens": 0, "completion_tokens": 0}})
    vendor.answer = answering(usage_reply('{"prompt_tokens":9,"completion_tokens":3}', text=text))
    await ask(served, key)
    (record,) = await world.recorded()
    assert record["charge_nano"] == COST_NANO
