"""Who may call: keys in headers, their ends, and what an attacker learns."""

import asyncio
import contextlib
from datetime import timedelta

import psycopg

from governance.core.clock import utc_now
from governance.keys.secret import make_secret
from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World, eventually, question


async def _status(served: Served, **headers: str) -> tuple[int, str, str]:
    async with served.client() as client:
        reply = await client.post("/v1/chat/completions", json=question(), headers=headers)
    error = reply.json().get("error", {})
    return reply.status_code, error.get("code", ""), error.get("message", "")


async def test_it_refuses_a_request_without_a_key_and_says_where_keys_come_from(served: Served) -> None:
    status, code, message = await _status(served)
    assert (status, code) == (401, "key_invalid")
    assert "Authorization: Bearer" in message


async def test_unknown_malformed_and_wrong_keys_get_one_answer(served: Served, key: str) -> None:
    unknown = make_secret().text()
    stolen_id = key.split("_")[1]
    wrong = make_secret()
    forged = type(wrong)(stolen_id, wrong.secret).text()
    answers = {
        await _status(served, authorization=f"Bearer {value}")
        for value in (unknown, forged, key[:-1], "bsr_", "'; DROP TABLE keys_keysecret; --", "x" * 5000)
    }
    answers.add(await _status(served, authorization="Basic dXNlcjpwYXNz"))
    assert len(answers) == 1
    assert answers.pop()[:2] == (401, "key_invalid")


async def test_it_takes_the_key_from_the_headers_that_vendors_use(served: Served, key: str) -> None:
    for headers in ({"authorization": f"bearer {key}"}, {"x-api-key": key}, {"api-key": key}):
        assert (await _status(served, **headers))[0] == 200


async def test_it_refuses_two_different_keys(served: Served, world: World, key: str) -> None:
    other = world.add_key()[1]
    status, _, message = await _status(served, authorization=f"Bearer {key}", **{"x-api-key": other})
    assert status == 401
    assert "different keys" in message


async def test_it_refuses_a_key_in_the_address(served: Served, key: str) -> None:
    async with served.client(key) as client:
        for query in (f"key={key}", f"api_key={key}", "access_token=x", f"q={key}"):
            reply = await client.post(f"/v1/chat/completions?{query}", json=question())
            assert reply.status_code == 401
            assert "rotated" in reply.json()["error"]["message"]


async def test_it_survives_any_bytes_in_the_authorization(served: Served, key: str) -> None:
    port = int(served.url.rpartition(":")[2])
    for value in (b"\xff\xfe\x00bad", "ключ".encode(), b"\xc0\xae", b"A" * 60_000):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + value + b"\r\n\r\n")
        status = int((await reader.readline()).split()[1])
        writer.close()
        assert status in (400, 401)
    async with served.client(key) as client:
        assert (await client.get("/v1/models")).status_code == 200


async def test_it_refuses_headers_of_ten_megabytes_while_they_arrive(served: Served, key: str) -> None:
    port = int(served.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ")
    for _ in range(160):
        writer.write(b"A" * 65_536)
    status = int((await reader.readline()).split()[1])
    writer.close()
    assert status == 431


async def test_it_closes_a_connection_that_never_completes_its_headers(served: Served) -> None:
    port = int(served.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n")
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert reader.at_eof() or reader.exception() is not None
    writer.close()


async def test_a_revoked_key_is_refused_within_moments(served: Served, world: World, vendor: Vendor) -> None:
    key_id, key = world.add_key()
    assert (await _status(served, authorization=f"Bearer {key}"))[0] == 200
    world.execute("UPDATE keys_virtualkey SET revoked_at = now() WHERE id = %s", key_id)
    refused = await _until_refused(served, key)
    assert "revoked" in refused


async def test_a_key_expires_by_the_clock_alone(served: Served, world: World) -> None:
    _, key = world.add_key(expires_at=utc_now() + timedelta(seconds=1.5))
    assert (await _status(served, authorization=f"Bearer {key}"))[0] == 200
    assert "expired" in await _until_refused(served, key)


async def test_after_a_rotation_both_secrets_work_until_the_grace_ends(served: Served, world: World) -> None:
    key_id, old = world.add_key()
    assert (await _status(served, authorization=f"Bearer {old}"))[0] == 200
    new = world.add_secret(key_id)
    world.execute(
        "UPDATE keys_keysecret SET expires_at = now() + interval '1.5 s' WHERE public_id = %s", old.split("_")[1]
    )
    assert (await _status(served, authorization=f"Bearer {new}"))[0] == 200
    assert "expired" in await _until_refused(served, old)
    assert (await _status(served, authorization=f"Bearer {new}"))[0] == 200


async def test_the_keys_of_an_archived_team_are_refused(served: Served, world: World, key: str) -> None:
    assert (await _status(served, authorization=f"Bearer {key}"))[0] == 200
    world.execute("UPDATE teams_team SET archived_at = now() WHERE id = %s", world.team)
    assert "archived" in await _until_refused(served, key)


async def test_a_key_issued_a_moment_after_it_was_tried_works_at_once(served: Served, world: World) -> None:
    secret = make_secret()
    assert (await _status(served, authorization=f"Bearer {secret.text()}"))[0] == 401
    key_id = world.add_key()[0]
    digest = secret.digest(pepper=world.environment.key_pepper)
    world.insert("keys_keysecret", key_id=key_id, public_id=secret.public_id, digest=digest)
    await _eventually_status(served, secret.text(), 200)


async def _until_refused(served: Served, key: str) -> str:
    return await _eventually_status(served, key, 401)


async def _eventually_status(served: Served, key: str, wanted: int) -> str:
    async with asyncio.timeout(5):
        while True:
            status, _, message = await _status(served, authorization=f"Bearer {key}")
            if status == wanted:
                return message
            await asyncio.sleep(0.05)


async def test_a_database_that_is_away_is_never_taken_for_a_wrong_key(served: Served, world: World, key: str) -> None:
    assert (await _status(served, authorization=f"Bearer {key}"))[0] == 200
    _, unused = world.add_key()
    with psycopg.connect(world.environment.database_url("gateway"), autocommit=True) as session:
        row = session.execute("SELECT current_user").fetchone()
        assert row is not None
        role = psycopg.sql.Identifier(row[0]).as_string()
        world.execute(f"ALTER ROLE {role} NOLOGIN")
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
    try:
        status, code, _ = await _status(served, authorization=f"Bearer {unused}")
        assert (status, code) == (503, "governance_unavailable")
        async with served.client(key) as client:
            assert (await client.get("/v1/models")).status_code == 200
    finally:
        world.execute(f"ALTER ROLE {role} LOGIN")
    await eventually(lambda: served.gateway.keeper.snapshot)
    await _eventually_status(served, unused, 200)
