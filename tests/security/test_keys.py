"""Attacks on keys: guessed, stolen, replayed, put where they do not belong, or taken from another door."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from django.test import Client

from governance.gateway.limits import Limits
from governance.keys.secret import KeySecretText, make_secret
from tests.gateway.test_process import Processes
from tests.gateway.vendor import DONE, USAGE, Vendor, VendorCall, chat_event
from tests.gateway.world import Served, World, question
from tests.security.asking import PATH, ask
from tests.security.raw import head, statuses, told, whole


class TestGuessing:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(unknown_key_seconds=600, watch_seconds=0.05, header_seconds=2, database_seconds=20)

    async def test_a_guess_costs_the_database_one_question_however_often_it_is_made(
        self, served: Served, world: World, key: str
    ) -> None:
        unknown = make_secret().text()
        forged = KeySecretText(key.split("_")[1], make_secret().secret)
        assert (await ask(served, key)).status_code == 200
        assert (await ask(served, unknown)).status_code == 401
        with world.owner.transaction():
            # Nobody can look a key up now: what is answered is answered from memory.
            world.execute("LOCK TABLE keys_keysecret IN ACCESS EXCLUSIVE MODE")
            for _ in range(20):
                for guess in (unknown, forged.text(), make_secret().text()[:-1], "bsr_"):
                    assert (await ask(served, guess)).status_code == 401
            assert (await ask(served, key)).status_code == 200

    async def test_keys_that_are_no_keys_never_reach_the_database(self, served: Served, world: World) -> None:
        good = make_secret().text()
        broken = [
            b"' OR '1'='1",
            b"'; DROP TABLE keys_keysecret; --",
            b"bsr_%_%_%",
            good.encode()[:-1],
            good.encode().swapcase(),
            good.encode() + b"\xe2\x80\x8b",
            b"bsr_\xd0\xb0\xd0\xb1cdefghijkl",
            b"\xff\xfe" * 30,
            b"bsr_" + b"../" * 20,
            b"${jndi:ldap://evil.example/a}",
            b"A" * 257,
            b"A" * 50_000,
        ]
        with world.owner.transaction():
            world.execute("LOCK TABLE keys_keysecret IN ACCESS EXCLUSIVE MODE")
            answers = set()
            for value in broken:
                said = await told(served, head("", b"Connection: close").replace(b"Bearer ", b"Bearer " + value))
                assert statuses(said) == [401], value
                answers.add(said[said.index(b'{"error"') :])
        assert len(answers) == 1


async def test_a_nul_or_ten_megabytes_in_the_authorization_are_no_request(
    served: Served, vendor: Vendor, key: str
) -> None:
    plain = whole(key, "Hi", b"Connection: close")
    assert statuses(await told(served, plain.replace(key.encode(), key.encode() + b"\x00"))) == [400]
    begin = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    assert set(statuses(await told(served, begin, *[b"A" * 100_000] * 100))) <= {431}
    assert vendor.calls == []


async def test_two_authorizations_fit_no_key(served: Served, vendor: Vendor, key: str) -> None:
    for second in (b"Authorization: Bearer " + key.encode(), b"Authorization: Bearer bsr_other", b"X-Api-Key: other"):
        assert statuses(await told(served, whole(key, "Hi", b"Connection: close", second))) == [401], second
    assert vendor.calls == []


async def test_other_schemes_and_a_session_of_the_console_open_nothing(
    served: Served, vendor: Vendor, key: str
) -> None:
    async with served.client() as client:
        for headers in (
            {"cookie": f"sessionid={key}; csrftoken=x"},
            {"authorization": f"Basic {key}"},
            {"authorization": f"Token {key}"},
            {"authorization": key},
            {"proxy-authorization": f"Bearer {key}"},
            {"x-bursar-key": key},
            {"x-forwarded-user": "admin"},
        ):
            assert (await client.post(PATH, json=question(), headers=headers)).status_code == 401, headers
    assert vendor.calls == []


@pytest.mark.django_db
def test_a_virtual_key_opens_no_page_of_the_console(client: Client) -> None:
    from_nobody = client.get("/")
    key = make_secret().text()
    with_key = client.get("/", HTTP_AUTHORIZATION=f"Bearer {key}", HTTP_X_API_KEY=key)
    assert (from_nobody.status_code, with_key.status_code) == (302, 302)
    assert with_key.headers["location"] == from_nobody.headers["location"]
    assert key not in str(with_key.headers)


async def test_a_key_that_is_revoked_in_the_middle_of_its_stream_ends_with_it(
    served: Served, world: World, vendor: Vendor
) -> None:
    key_id, key = world.add_key()
    may_end = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hello"))
        await may_end.wait()
        await call.chunk(chat_event(finish="stop") + chat_event(usage=USAGE) + DONE)
        await call.end_stream()

    vendor.answer = answer
    async with served.client(key) as client, client.stream("POST", PATH, json=question(stream=True)) as reply:
        parts = reply.aiter_raw()
        await anext(parts)
        world.execute("UPDATE keys_virtualkey SET revoked_at = now() WHERE id = %s", key_id)
        async with asyncio.timeout(10):
            while (await client.get("/v1/models")).status_code != 401:  # noqa: ASYNC110 - the gateway sets no event
                await asyncio.sleep(0.02)
        may_end.set()
        rest = b"".join([part async for part in parts])
    assert rest.endswith(DONE)
    (record,) = await world.recorded()
    assert (record["outcome"], record["charge_nano"]) == ("completed", 15_000)
    assert (await ask(served, key)).status_code == 401


async def test_a_key_that_is_revoked_is_refused_by_every_process(processes: Processes, world: World) -> None:
    key_id, key = world.add_key()
    async with asyncio.timeout(30):
        while await _statuses(processes, key) != {200}:  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.05)
        world.execute("UPDATE keys_virtualkey SET revoked_at = now() WHERE id = %s", key_id)
        while await _statuses(processes, key) != {401}:  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.05)
    # And by none of them ever again.
    assert await _statuses(processes, key) == {401}


async def _statuses(processes: Processes, key: str) -> set[int]:
    found = set()
    for _ in range(12):
        async with processes.client(key) as client:
            found.add((await client.get("/v1/models")).status_code)
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BURSAR_KEY_PEPPER", ""),
        ("BURSAR_KEY_PEPPER", "changeme" * 8),
        ("BURSAR_KEY_PEPPER", "a" * 64),
        ("BURSAR_SEALING_KEYS", ""),
        ("BURSAR_SEALING_KEYS", "k:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ],
)
async def test_a_gateway_does_not_start_without_secrets_of_its_own(tmp_path: Path, name: str, value: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "governance.gateway", "--port", "0"),
        env={**os.environ, "BURSAR_HOME": str(tmp_path), name: value},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert name in errors.decode() and "Traceback" not in errors.decode()
    assert not value or value not in errors.decode()
