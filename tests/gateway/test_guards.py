"""Guards over a whole gateway: what they find is masked or blocked, on the way there and on the way back."""

import json
import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from governance.gateway.logs import RequestLog
from governance.plugin.guards import Finding
from tests.gateway.test_translated_calls import MESSAGE, serve_from
from tests.gateway.vendor import Vendor, VendorCall, answer_plainly, chat_reply, in_turn, refusing
from tests.gateway.world import Served, World, question


class Words:
    """Finds a word, in whatever case."""

    title = "a word"

    def __init__(self, name: str, word: str, kind: str) -> None:
        self.name = name
        self._pattern = re.compile(word, re.IGNORECASE)
        self._kind = kind
        self.seen: list[str] = []

    def find(self, text: str) -> Sequence[Finding]:
        self.seen.append(text)
        return [Finding(*match.span(), self._kind) for match in self._pattern.finditer(text)]


class Broken:
    """Fails, quoting what it must not."""

    title = "broken"

    def __init__(self, name: str, answer: Any) -> None:
        self.name = name
        self._answer = answer

    def find(self, text: str) -> Sequence[Finding]:
        if self._answer is None:
            raise ValueError(f"cannot read {text}")
        return [self._answer]


@pytest.fixture
def words(served: Served) -> Words:
    guard = Words("words", "zebra", "striped animal")
    served.gateway.vendors.guards.add(guard)
    return guard


async def guard(served: Served, world: World, name: str = "words", **columns: object) -> None:
    world.insert("policy_guardrule", organisation_id=world.organisation, **{"guard": name, **columns})
    await served.catch_up(world)


async def ask(served: Served, key: str, body: bytes | dict[str, Any] | None = None) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body or question("I saw a zebra.")).encode()
    async with served.client(key) as client:
        return await client.post("/v1/chat/completions", content=content)


def counted(served: Served, name: str) -> dict[str, int]:
    counters = served.gateway.metrics.numbers.counters
    return {key.partition("\t")[2]: count for key, count in counters.items() if key.startswith(f"{name}\t")}


async def test_a_request_with_a_blocked_finding_is_refused_by_its_kind_and_not_sent(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, team_id=world.team, requests="block")
    reply = await ask(served, key)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, "guard_refused")
    assert "team default does not let a request hold striped animal (guard words)" in error["message"]
    assert b"zebra" not in reply.content
    assert "x-bursar-attempt-id" not in reply.headers and not vendor.calls
    assert (await ask(served, key, question("I saw a horse."))).status_code == 200
    assert counted(served, "bursar_guard_findings") == {"words\tstriped animal\tblock": 1}


BODY = rb"""{ "model":"tiny","zebra":1.50,
  "messages" : [{"role":"user","content":[{"type":"text",
      "text":"\u00e9\/ a \u005aebra, \ud83d\ude00 and ZEBRA\n"}]},
    {"role":"assistant","tool_calls":[{"id":"c1","type":"function",
      "function":{"name":"f","arguments":"{\"a\":\"zebra\"}"}}]},
    {"role":"tool","tool_call_id":"c1","content":"\u0007zebra"}] ,
    "user":"zebra@example.com", "max_tokens":20}"""
MASKED = rb"""{ "model":"tiny-2026","zebra":1.50,
  "messages" : [{"role":"user","content":[{"type":"text",
      "text":"\u00e9\/ a [striped animal], \ud83d\ude00 and [striped animal]\n"}]},
    {"role":"assistant","tool_calls":[{"id":"c1","type":"function",
      "function":{"name":"f","arguments":"{\"a\":\"[striped animal]\"}"}}]},
    {"role":"tool","tool_call_id":"c1","content":"\u0007[striped animal]"}] ,
    "user":"[striped animal]@example.com", "max_tokens":20}"""


async def test_masked_findings_are_replaced_wherever_they_stand_and_no_other_byte_changes(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, requests="mask")
    assert (await ask(served, key, BODY)).status_code == 200
    assert vendor.calls[0].body == MASKED
    assert counted(served, "bursar_guard_findings") == {"words\tstriped animal\tmask": 5}
    assert "tiny" not in words.seen and "zebra" in " ".join(words.seen)


async def test_the_same_text_is_looked_at_once(served: Served, world: World, key: str, words: Words) -> None:
    await guard(served, world, requests="mask")
    messages = [{"role": "user", "content": "again"}] * 20
    assert (await ask(served, key, {"model": "tiny", "messages": messages})).status_code == 200
    assert sorted(words.seen) == ["again", "user"]


async def test_a_long_body_is_looked_at_too(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, requests="mask")
    assert (await ask(served, key, question("no horse " * 20_000 + "zebra", max_tokens=16))).status_code == 200
    assert vendor.calls[0].json["messages"][0]["content"].endswith("no horse [striped animal]")


async def test_the_price_is_held_for_what_is_sent(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    """Masks can be longer than what they stand for."""
    await guard(served, world, requests="mask")
    budget = world.add_budget(10**12)
    await served.catch_up(world)
    texts = ("horses " * 400, "zebra " * 400)
    held = []

    async def answer(call: VendorCall) -> None:
        held.append((served.gateway.vendors.books, len(call.body)))
        await answer_plainly(call)

    vendor.answer = answer
    for text in texts:
        assert (await ask(served, key, question(text, max_tokens=16))).status_code == 200
    (short, long) = (len(call.body) for call in vendor.calls)
    assert long > 2 * short
    wants = [record["reserved_nano"] for record in await world.recorded(2)]
    assert wants[1] - wants[0] == 1000 * (long - short)
    assert (await world.at_rest(budget))["settled_nano"] == 2 * (9 * 1000 + 3 * 2000)


@pytest.mark.parametrize("action", ["mask", "block"])
async def test_the_strictest_level_decides(served: Served, world: World, key: str, words: Words, action: str) -> None:
    await guard(served, world, requests="block" if action == "mask" else "mask")
    await guard(served, world, team_id=world.team, requests=action)
    reply = await ask(served, key)
    assert reply.json()["error"]["code"] == "guard_refused"
    assert ("organisation Acme" if action == "mask" else "team default") in reply.json()["error"]["message"]


async def test_another_team_is_not_looked_at(served: Served, world: World, key: str, words: Words) -> None:
    (row,) = world.rows("SELECT cost_centre_id FROM teams_team WHERE id = %s", world.team)
    other = world.insert(
        "teams_team", organisation_id=world.organisation, unit_id=world.unit, name="other", required_tags=[], **row
    )
    await guard(served, world, team_id=other, requests="block", replies="block")
    assert (await ask(served, key)).status_code == 200
    assert not words.seen
    assert (await ask(served, world.add_key(team_id=other)[1])).status_code == 400


async def test_a_whole_reply_is_masked_and_charged(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, replies="mask")
    vendor.answer = in_turn(lambda call: call.reply(chat_reply("Zebras!")))
    reply = await ask(served, key)
    assert reply.content == chat_reply("[striped animal]s!")
    assert reply.headers["x-bursar-cost-usd"]
    assert b"I saw a zebra." in vendor.calls[0].body
    assert (await world.recorded())[0]["charge_nano"] == 9 * 1000 + 3 * 2000


async def test_a_blocked_reply_is_withheld_and_charged_and_speaks_against_no_deployment(
    served: Served, world: World, vendor: Vendor, other: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, replies="block")
    vendor.answer = in_turn(lambda call: call.reply(chat_reply("Zebras!")))
    for _ in range(6):
        reply = await ask(served, key)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "guard_refused")
        assert reply.headers["x-should-retry"] == "false" and reply.headers["x-bursar-attempt-id"]
        assert b"ebra" not in reply.content
    assert (len(vendor.calls), len(other.calls)) == (6, 0)
    assert {record["charge_nano"] for record in await world.recorded(6)} == {9 * 1000 + 3 * 2000}


@pytest.mark.parametrize(("action", "status"), [("mask", 422), ("block", 400)])
async def test_an_error_of_the_vendors_is_looked_at_too(
    served: Served, world: World, vendor: Vendor, key: str, words: Words, action: str, status: int
) -> None:
    await guard(served, world, replies=action)
    vendor.answer = refusing(422, b'{"error":{"message":"no \\"zebra\\""}}')
    reply = await ask(served, key)
    assert reply.status_code == status
    assert b"zebra" not in reply.content and b"striped animal" in reply.content


async def test_a_reply_that_is_no_json_is_one_text(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, replies="mask")
    vendor.answer = refusing(422, 'a "zebra" \\ for Zoë'.encode())
    assert (await ask(served, key)).content == 'a "[striped animal]" \\ for Zoë'.encode()


async def test_no_number_or_half_character_hides_a_text_that_is_spelt_with_escapes(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, requests="block")
    body = rb'{"model":"tiny","messages":[{"role":"user","content":"\u007aebra"}],"user":"a","metadata":{"x":1e999}}'
    assert (await ask(served, key, body)).json()["error"]["code"] == "guard_refused"
    world.execute("UPDATE policy_guardrule SET requests = '', replies = 'mask'")
    await served.catch_up(world)
    vendor.answer = in_turn(lambda call: call.reply(chat_reply().replace(b"Hello!", rb"\u007aebra \ud83d")))
    assert b'"[striped animal] \\ud83d"' in (await ask(served, key, question("horse"))).content


async def test_a_translated_call_is_looked_at_in_both_directions(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await serve_from("anthropic", served, world, vendor)
    await guard(served, world, requests="mask", replies="mask")
    told = json.dumps({**MESSAGE, "content": [{"type": "text", "text": "Zebras!"}]}).encode()
    vendor.answer = in_turn(lambda call: call.reply(told))
    reply = await ask(served, key, question("I saw a zebra.", max_tokens=20))
    assert reply.json()["choices"][0]["message"]["content"] == "[striped animal]s!"
    (call,) = vendor.calls
    assert call.path.endswith("/messages") and b"I saw a [striped animal]." in call.body


async def test_a_compressed_reply_does_not_pass(
    served: Served, world: World, vendor: Vendor, key: str, words: Words
) -> None:
    await guard(served, world, replies="mask")
    vendor.answer = refusing(422, b"\x1f\x8b", headers="content-encoding: gzip")
    reply = await ask(served, key)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "guard_failed")


FINDINGS = [None, Finding(3, 2, "x"), Finding(0, 0, "x"), Finding(-1, 2, "x"), Finding(0, 10**6, "x")]
KINDS = [Finding(0, 1, ""), Finding(0, 1, "a\tb"), Finding(0, 1, "x" * 65), "no finding"]


@pytest.mark.parametrize("side", ["requests", "replies"])
@pytest.mark.parametrize("answer", [*FINDINGS, *KINDS], ids=repr)
async def test_a_guard_that_fails_lets_nothing_pass(
    served: Served, world: World, vendor: Vendor, key: str, side: str, answer: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    served.gateway.vendors.guards.add(Broken("broken", answer))
    await guard(served, world, "broken", **{side: "mask"})
    reply = await ask(served, key)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "guard_failed")
    assert "The guard broken failed" in reply.json()["error"]["message"]
    assert b"zebra" not in reply.content and reply.headers["x-should-retry"] == "false"
    assert len(vendor.calls) == (0 if side == "requests" else 1)
    assert counted(served, "bursar_guard_failures") == {"broken": 1}
    logged = "".join(capfd.readouterr())
    assert "plugin_failed" in logged and "broken" in logged and "zebra" not in logged


async def test_a_guard_that_is_not_installed_lets_nothing_pass(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    await guard(served, world, "gone", requests="mask")
    assert (await ask(served, key)).json()["error"]["code"] == "guard_failed"
    assert not vendor.calls


async def test_the_log_names_kinds_and_never_texts(served: Served, world: World, key: str, words: Words) -> None:
    lines: list[bytes] = []
    log = served.gateway._log = RequestLog(write=lines.append, is_on=True)
    await guard(served, world, requests="block", replies="mask")
    await ask(served, key)
    await ask(served, key, question("horse"))
    log.flush()
    first, second = (json.loads(line) for line in b"".join(lines).splitlines())
    assert (first["code"], first["guarded"]) == ("guard_refused", ["striped animal"])
    assert "guarded" not in second
    assert b"zebra" not in b"".join(lines)


async def test_metrics_tell_what_was_found(served: Served, world: World, key: str, words: Words) -> None:
    await guard(served, world, requests="mask")
    await ask(served, key)
    async with served.client() as client:
        told = (await client.get("/metrics")).text
    assert 'bursar_guard_findings_total{action="mask",guard="words",kind="striped animal"} 1.0' in told
