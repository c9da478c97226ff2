"""Numbers that decide the cost, in every shape: a doubtful one is refused; held is what the vendor enforces."""

import json
from typing import Any

from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World
from tests.security.asking import ask, packed, refused, with_raw, worst_nano

SHAPES = (
    "0",
    "-1",
    "-0",
    "-9223372036854775808",
    "1.5",
    "5.0",
    "1e2",
    "1E400",
    "2147483648",
    "18446744073709551616",
    "9" * 400,
    '"5"',
    '""',
    "true",
    "false",
    "[5]",
    "[]",
    "{}",
    '{"value":5}',
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "0x10",
    "+5",
    "05",
    "5n",
    "undefined",
)


async def test_a_maximum_or_a_number_of_choices_that_is_no_count_is_refused(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for field in ("max_tokens", "max_completion_tokens", "n", "best_of"):
        for shape in SHAPES:
            refusal = await refused(served, world, vendor, key, with_raw(**{field: shape}))
            assert (field, shape, *refusal) == (field, shape, 400, "bad_request")


async def test_a_null_maximum_is_none_and_the_models_own_is_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    body = with_raw(max_tokens="null", max_completion_tokens="null", n="null")
    budget = world.add_budget(worst_nano(body, maximum=1000))
    await served.catch_up(world)
    assert (await ask(served, key, body)).status_code == 200
    await world.at_rest(budget)
    world.execute("UPDATE budgets_budget SET retired_at = now()")
    world.add_budget(worst_nano(body, maximum=1000) - 1)
    await served.catch_up(world)
    lowered = await ask(served, key, body)
    assert lowered.headers["x-bursar-max-output-tokens"] == "999"
    assert vendor.calls[-1].json["max_tokens"] == 999


async def test_of_two_synonyms_that_disagree_the_smaller_one_is_held_and_written_over_the_other(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for fields in ({"max_tokens": 10, "max_completion_tokens": 900}, {"max_tokens": 900, "max_completion_tokens": 10}):
        await ask(served, key, **fields)
        sent = vendor.calls[-1].json
        assert (sent["max_tokens"], sent["max_completion_tokens"]) == (10, 10)
    records = await world.recorded(2)
    assert {record["reserved_nano"] for record in records} == {
        worst_nano(packed(max_tokens=10, max_completion_tokens=900), maximum=10)
    }


async def test_a_synonym_that_the_vendor_does_not_enforce_is_made_one_that_it_does(
    served: Served, vendor: Vendor, key: str
) -> None:
    await ask(served, key, max_completion_tokens=33)
    assert vendor.calls[0].json["max_tokens"] == 33


async def test_words_of_other_wires_for_a_maximum_are_no_maximum(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    foreign = {
        "max_output_tokens": 1,
        "maxOutputTokens": 1,
        "generationConfig": {"maxOutputTokens": 1, "candidateCount": 8},
        "max_new_tokens": 1,
        "max_tokens_to_sample": 1,
        "num_predict": 1,
        "MAX_TOKENS": 1,
        "max_tokens ": 1,
    }
    assert (await ask(served, key, **foreign)).status_code == 200
    (record,) = await world.recorded()
    assert record["reserved_nano"] == worst_nano(packed(**foreign), maximum=1000)


async def test_a_field_that_stands_twice_is_refused_however_it_is_spelt(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    head = packed()[:-1]
    bodies = [
        head + ',"max_tokens":5,"max_tokens":900}',
        head + ',"max_tokens":900,"max_tokens":5}',
        head + ',"max_tokens":5,"max_tokens":5}',
        head + ',"max_tokens":5,"max\\u005ftokens":900}',
        head + ',"n":1,"\\u006e":100}',
        head + ',"model":"other"}',
        head + ',"messages":[]}',
        head + ',"stream_options":{"include_usage":true,"include_usage":false},"stream":true}',
        head + ',"tools":[{"type":"web_search","type":"function","function":{"name":"f"}}]}',
        '{"model":"tiny","messages":[{"role":"user","content":[{"type":"image_url"}],"content":"Hi"}]}',
        '{"model":"tiny","messages":[{"role":"a"},{"con\\u0074ent":[{"type":"image_url"}],"content":"Hi"}]}',
        '{"model":"tiny","messages":[{"content":[{"type":"image_url","type":"text","text":"Hi"}]}]}',
        '{"model":"tiny","messages":[{"content":"Hi","audio":{"id":"a"},"audio":null},{"content":"Hi"}]}',
    ]
    for body in bodies:
        assert await refused(served, world, vendor, key, body) == (400, "bad_request")


async def test_what_only_looks_like_a_field_that_stands_twice_passes(served: Served, vendor: Vendor, key: str) -> None:
    tricky = [
        '{"model":"tiny","messages":[{"content":"say \\"content\\" and \\u0041, \\"content\\":1"}]}',
        '{"model":"tiny","messages":[{"role":"assistant","tool_calls":[{"type":"function"}]},{"content":"\\u0041"}]}',
        '{"model":"tiny","messages":[{"content":[{"type":"text","text":"\\"type\\""},{"type":"text","text":"x"}]}]}',
    ]
    for body in tricky:
        assert (await ask(served, key, body)).status_code == 200
    assert len(vendor.calls) == len(tricky)


async def test_every_choice_is_held_for(served: Served, world: World, key: str) -> None:
    asked = [{"n": 4}, {"best_of": 4}, {"n": 4, "best_of": 2}, {"n": 1, "best_of": 4}]
    for fields in asked:
        await ask(served, key, max_tokens=50, **fields)
    records = await world.recorded(len(asked))
    assert [record["reserved_nano"] for record in records] == [
        worst_nano(packed(max_tokens=50, **fields), maximum=50, choices=4) for fields in asked
    ]


async def test_a_product_that_no_integer_holds_is_refused_and_never_negative(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_model("dear", prices={"input": "10000000000", "output": "10000000000"})
    await served.catch_up(world)
    body = packed(model="dear", n=128, max_tokens=2**31 - 1)
    assert await refused(served, world, vendor, key, body) == (400, "bad_request")


WRONG: list[Any] = [
    [[{"role": "user", "content": "Hi"}]],
    {"role": "user", "content": "Hi"},
    ["Hi", "Ho"],
    [{"role": "user", "content": {"text": "Hi"}}],
    [{"role": "user", "content": 5}],
    "Hi",
    None,
]


async def test_a_batch_or_anything_else_instead_of_messages_is_refused(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for messages in WRONG:
        body = json.dumps({"model": "tiny", "messages": messages})
        assert await refused(served, world, vendor, key, body) == (400, "bad_request")


async def test_a_batch_of_bodies_in_one_request_is_refused(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for body in (f"[{packed()},{packed()}]", f"{packed()}\n{packed()}", f"{packed()}{packed()}", f"{packed()}\x00"):
        assert await refused(served, world, vendor, key, body) == (400, "bad_request")


async def test_the_bound_of_a_keys_default_is_written_even_over_a_null(
    served: Served, world: World, vendor: Vendor
) -> None:
    _, key = world.add_key(default_max_output_tokens=50)
    await ask(served, key, with_raw(max_tokens="null"))
    assert vendor.calls[0].json["max_tokens"] == 50
