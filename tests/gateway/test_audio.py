"""Speech and what is written down of it, asked for by the stock `openai` package."""

import json
import struct
from typing import Any

import openai
import pytest

from tests.gateway.openai_vendor import event, replying, streaming
from tests.gateway.vendor import Answer, Vendor, VendorCall
from tests.gateway.world import Served, World

SOUND = bytes(range(256)) * 64
TOKENS = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
HEARD = {"type": "tokens", **TOKENS, "input_token_details": {"text_tokens": 4, "audio_tokens": 10}}
LISTENER_PRICES = {"input": "2500", "input_audio": "6000", "output": "10000"}


def wav(seconds: int, *, rate: int = 8000) -> bytes:
    """Return so many seconds of silence."""
    samples = bytes(seconds * rate * 2)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


def sounding(body: bytes = SOUND, *, kind: str = "audio/mpeg") -> Answer:
    """Return an answer that is this sound, in pieces."""

    async def answer(call: VendorCall) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n" % kind.encode())
        for start in range(0, len(body), 5_000):
            await call.chunk(body[start : start + 5_000])
        await call.end_stream()

    return answer


def telling(body: bytes, *, kind: str) -> Answer:
    """Return an answer that is this text."""

    async def answer(call: VendorCall) -> None:
        await call.reply(body, headers=f"content-type: {kind}")

    return answer


@pytest.fixture(autouse=True)
def models(world: World) -> None:
    """One that speaks by characters, one by tokens; one that listens by seconds, one by tokens."""
    world.execute("UPDATE connections_connection SET provider = 'openai'")
    world.add_model("reader", prices={"character": "15000"})
    world.add_model(
        "actor", prices={"input": "600", "output": "12000"}, bounds=json.dumps({"audio_output_tokens": 20_000})
    )
    world.add_model("whisper", prices={"audio_second": "100000"})
    bounds = {"audio_input_tokens": 16_000, "text_output_tokens": 2_000}
    world.add_model("listener", prices=LISTENER_PRICES, bounds=json.dumps(bounds))


async def test_speech_is_passed_on_as_it_comes_and_paid_by_the_character(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = sounding()
    budget = world.add_budget(1_000_000)
    await served.catch_up(world)
    async with (
        served.sdk(key) as client,
        client.audio.speech.with_streaming_response.create(model="reader", voice="alloy", input="Héllo") as reply,
    ):
        heard = b"".join([piece async for piece in reply.iter_bytes()])
        assert reply.headers["content-type"] == "audio/mpeg"
    assert heard == SOUND
    (call,) = vendor.calls
    assert (call.path, call.json["model"]) == ("/v1/audio/speech", "reader-2026")
    (record,) = await world.recorded()
    assert (record["wire"], record["classes"], record["quantities"]) == ("openai.speech", ["character"], [5])
    assert (record["charge_nano"], record["is_estimated"]) == (75_000, True)
    assert (await world.at_rest(budget))["settled_nano"] == 75_000


async def test_speech_of_a_kind_nobody_knows_is_read_whole(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = sounding(kind="audio/new")
    async with served.sdk(key) as client:
        spoken = await client.audio.speech.create(model="reader", voice="alloy", input="\U0001f600")
    assert spoken.content == SOUND
    (record,) = await world.recorded()
    assert record["charge_nano"] == 30_000


async def test_speech_in_events_is_paid_by_the_tokens_that_the_last_one_tells(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    chunks = event("speech.audio.delta", 0, audio="AAAA"), event("speech.audio.done", 1, usage=TOKENS)
    vendor.answer = streaming(*chunks)
    async with served.client(key) as client:
        asked = {"model": "actor", "voice": "alloy", "input": "Hi", "stream_format": "sse"}
        reply = await client.post("/v1/audio/speech", json=asked)
    assert reply.content == b"".join(chunks)
    (record,) = await world.recorded()
    assert (record["charge_nano"], record["output_tokens"]) == (14 * 600 + 101 * 12_000, 101)


async def test_speech_by_tokens_that_tells_none_is_booked_at_its_bound(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = sounding()
    async with served.sdk(key) as client:
        await client.audio.speech.create(model="actor", voice="alloy", input="Hi")
    (record,) = await world.recorded()
    assert record["is_estimated"] and 20_000 * 12_000 < record["charge_nano"] < 21_000 * 12_000


async def test_a_sound_that_breaks_off_ends_the_connection_and_stays_held(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async def break_off(call: VendorCall) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 900\r\n\r\nID3")
        call.writer.transport.abort()

    vendor.answer = break_off
    async with served.sdk(key) as client:
        with pytest.raises(openai.APIConnectionError):
            await client.with_options(max_retries=0).audio.speech.create(model="reader", voice="alloy", input="Hi")
    (attempt,) = await world.suspended()
    assert attempt["suspense_reason"].startswith("cut_short")


@pytest.mark.parametrize(
    ("answer", "form", "booked"),
    [
        (replying({"text": "Hi", "usage": {"type": "duration", "seconds": 3}}), "json", (300_000, False)),
        (replying({"text": "Hi", "usage": {"type": "duration", "seconds": 2.01}}), "json", (300_000, False)),
        (replying({"text": "Hi", "duration": 2.5, "language": "en"}), "verbose_json", (300_000, False)),
        (replying({"text": "Hi"}), "json", (500_000, True)),
        (telling(b"Hi\n", kind="text/plain; charset=utf-8"), "text", (500_000, True)),
        (telling(b"1\n00:00:00,000 --> 00:00:02,000\nHi\n", kind="text/srt"), "srt", (500_000, True)),
    ],
)
async def test_what_is_written_down_is_paid_by_the_second(
    served: Served, world: World, vendor: Vendor, key: str, answer: Answer, form: Any, booked: tuple[int, bool]
) -> None:
    vendor.answer = answer
    sound = wav(4)
    async with served.sdk(key) as client:
        await client.audio.transcriptions.create(model="whisper", file=("a.wav", sound), response_format=form)
        with pytest.warns(DeprecationWarning):
            await client.audio.translations.create(model="whisper", file=("a.wav", sound), response_format=form)
    assert [call.path for call in vendor.calls] == ["/v1/audio/transcriptions", "/v1/audio/translations"]
    assert all(sound in call.body and b"\r\n\r\nwhisper-2026\r\n" in call.body for call in vendor.calls)
    records = await world.recorded(2)
    assert {record["wire"] for record in records} == {"openai.transcriptions", "openai.translations"}
    assert {(record["charge_nano"], record["is_estimated"]) for record in records} == {booked}


async def test_what_is_written_down_is_paid_by_tokens_whole_and_in_a_stream(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.sdk(key) as client:
        vendor.answer = replying({"text": "Hi", "usage": HEARD})
        whole = await client.audio.transcriptions.create(model="listener", file=("a.mp3", SOUND))
        done = event("transcript.text.done", 1, text="Hi", usage=HEARD)
        vendor.answer = streaming(event("transcript.text.delta", 0, delta="Hi"), done)
        stream = await client.audio.transcriptions.create(model="listener", file=("a.mp3", SOUND), stream=True)
        told = [each.type async for each in stream]
    assert (whole.text, told) == ("Hi", ["transcript.text.delta", "transcript.text.done"])
    cost = 4 * 2_500 + 10 * 6_000 + 101 * 10_000
    assert [record["charge_nano"] for record in await world.recorded(2)] == [cost, cost]


async def test_audio_whose_length_nothing_proves_needs_a_bound_of_the_catalogue(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    async with served.sdk(key) as client:
        with pytest.raises(openai.BadRequestError, match="audio_seconds"):
            await client.audio.transcriptions.create(model="whisper", file=("a.mp3", SOUND))
        world.execute("UPDATE catalog_languagemodel SET bounds = %s", json.dumps({"audio_seconds": 1500}))
        budget = world.add_budget(1500 * 100_000)
        await served.catch_up(world)
        vendor.answer = replying({"text": "Hi", "usage": HEARD})
        await client.audio.transcriptions.create(model="whisper", file=("a.mp3", SOUND))
        (attempt,) = await world.suspended()
        assert attempt["suspense_reason"] == "price_missing"
        assert world.account(budget)["held_nano"] == 1500 * 100_000
        with pytest.raises(openai.APIStatusError, match="budget"):
            await client.audio.transcriptions.create(model="whisper", file=("a.wav", wav(1)))
    assert len(vendor.calls) == 1


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("speech", {"input": ""}, "nothing to say"),
        ("speech", {"input": "Hi", "voice": {"id": "voice_1"}}, "'voice'"),
        ("speech", {"input": "Hi", "translate_to": "de"}, "'translate_to'"),
        ("speech", {"input": 5}, "'input'"),
    ],
)
async def test_speech_of_unknown_cost_is_refused(
    served: Served, vendor: Vendor, key: str, path: str, body: dict[str, Any], told: str
) -> None:
    async with served.client(key) as client:
        reply = await client.post(f"/v1/audio/{path}", json={"model": "reader", **body})
    assert (reply.status_code, vendor.calls) == (400, [])
    assert told in reply.json()["error"]["message"]


async def test_forms_that_cannot_be_priced_are_refused(served: Served, vendor: Vendor, key: str) -> None:
    sound = ("a.wav", wav(1))
    async with served.client(key) as client:
        for fields, files, told in (
            ({"model": "whisper"}, {}, "form"),
            ({"model": "whisper"}, {"audio": sound}, "one file"),
            ({}, {"file": sound}, "names no model"),
            ({"model": "whisper", "chunking_strategy": "auto"}, {"file": sound}, "'chunking_strategy'"),
            ({"model": "whisper", "stream": "yes"}, {"file": sound}, "true or false"),
            ({"model": "whisper", "model[]": "tiny"}, {"file": sound}, "'model[]'"),
            ({"model": ["whisper", "tiny"]}, {"file": sound}, "twice"),
        ):
            reply = await client.post("/v1/audio/transcriptions", data=fields, files=files)
            assert (reply.status_code, told in reply.json()["error"]["message"]) == (400, True), reply.text
    assert vendor.calls == []


async def test_a_form_may_be_larger_than_other_requests_but_not_as_large_as_it_likes(
    served: Served, vendor: Vendor, key: str
) -> None:
    vendor.answer = replying({"text": "Hi", "usage": HEARD})
    limits = served.gateway.vendors.limits
    async with served.client(key) as client:
        for size, status in ((limits.body_bytes + 1, 200), (limits.form_bytes + 1, 413)):
            reply = await client.post(
                "/v1/audio/transcriptions", data={"model": "listener"}, files={"file": ("a.mp3", bytes(size))}
            )
            assert reply.status_code == status
    assert len(vendor.calls) == 1


async def test_guards_look_at_the_texts_of_a_form_and_nothing_is_spoken_past_them(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    vendor.answer = replying({"text": "Hi", "usage": HEARD})
    world.insert(
        "policy_guardrule",
        organisation_id=world.organisation,
        team_id=world.team,
        guard="personal",
        requests="mask",
        replies="mask",
    )
    await served.catch_up(world)
    async with served.sdk(key) as client:
        await client.audio.transcriptions.create(
            model="listener", file=("a.mp3", b"ann@example.org"), prompt="Ask ann@example.org, please."
        )
        with pytest.raises(openai.BadRequestError, match="Speech is not served"):
            await client.audio.speech.create(model="reader", voice="alloy", input="Hi")
    (call,) = vendor.calls
    assert b"Ask [e-mail address], please." in call.body and call.body.count(b"ann@example.org") == 1
