"""Requests that cannot be served: the right status, a sentence that helps, nothing sent, nothing held."""

import asyncio
import gzip
import itertools
import json
from typing import Any

import pytest

from governance.gateway.limits import Limits
from governance.gateway.routes import ROUTES
from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World, question


async def _refused(served: Served, key: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    async with served.client(key) as client:
        reply = await client.post("/v1/chat/completions", content=body, headers=headers)
    assert set(reply.json()) == {"error"}
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"][0].isupper() and error["message"].endswith((".", "?"))
    assert reply.headers["x-should-retry"] == "false"
    return reply.status_code, error


UNREADABLE = [
    (b"", "not JSON"),
    (b"{", "not JSON"),
    (b'{"model": "tiny", "messages": [', "not JSON"),
    (b"[1]", "object"),
    (b'{"model": "tiny"}', "messages"),
    (b'{"messages": []}', "model"),
    (b'{"model": "tiny", "messages": "hi"}', "messages"),
    (b'{"model": "\xff", "messages": []}', "UTF-8"),
    (b'{"model": "tiny", "model": "other", "messages": []}', "model"),
    (b'{"model": "tiny", "messages": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deep"),
]


async def test_a_body_that_cannot_be_read_is_refused_with_its_fault(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    for body, says in UNREADABLE:
        status, error = await _refused(served, key, body)
        assert status == 400
        assert says in error["message"]
    assert vendor.calls == [] and world.attempts() == []


async def test_absurd_numbers_are_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    values = ("-1", "0", "1.5", '"5"', "true", "99999999999999999999", "NaN", "1e999", "[]")
    for field, value in itertools.product(("max_tokens", "max_completion_tokens", "n"), values):
        body = json.dumps(question()).replace("{", f'{{"{field}": {value}, ', 1).encode()
        status, error = await _refused(served, key, body)
        assert (status, error["code"]) == (400, "bad_request"), (field, value)
    assert vendor.calls == [] and world.attempts() == []


async def test_an_unknown_model_is_named_with_those_near_it(served: Served, key: str) -> None:
    status, error = await _refused(served, key, json.dumps(question() | {"model": "tinny"}).encode())
    assert (status, error["code"], error["param"]) == (404, "model_unknown", "model")
    assert "Did you mean tiny?" in error["message"]


async def test_a_model_that_is_not_allowed_is_refused_by_the_level_that_refuses(
    served: Served, world: World, vendor: Vendor
) -> None:
    world.add_model("big")
    world.insert("policy_allowrule", organisation_id=world.organisation, team_id=world.team, pattern="ti*")
    key_id, key = world.add_key(name="search")
    world.insert("policy_allowrule", organisation_id=world.organisation, key_id=key_id, pattern="*")
    await served.catch_up(world)
    status, error = await _refused(served, key, json.dumps(question() | {"model": "big"}).encode())
    assert (status, error["code"]) == (403, "model_not_allowed")
    assert "team default" in error["message"]
    async with served.client(key) as client:
        listed = (await client.get("/v1/models")).json()
        assert [model["id"] for model in listed["data"]] == ["tiny"]
        assert (await client.get("/v1/models/tiny")).json()["id"] == "tiny"
        assert (await client.get("/v1/models/big")).status_code == 404
    assert vendor.calls == []


async def test_a_model_without_a_price_is_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    world.add_model("free", prices={})
    await served.catch_up(world)
    status, error = await _refused(served, key, json.dumps(question() | {"model": "free"}).encode())
    assert (status, error["code"]) == (400, "price_missing")
    assert vendor.calls == []


async def test_a_retired_model_names_its_successor(served: Served, world: World, key: str) -> None:
    world.add_model("old", retires_on="2026-01-31", successor="tiny")
    await served.catch_up(world)
    status, error = await _refused(served, key, json.dumps(question() | {"model": "old"}).encode())
    assert (status, error["code"]) == (404, "model_retired")
    assert "Use tiny instead" in error["message"]


async def test_an_announced_model_says_when_it_comes_and_is_not_listed(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_model("soon", announced_on="2026-11-01", preview_on="2099-01-31", released_on="2099-03-01")
    world.add_model("someday", announced_on="2026-11-01")
    await served.catch_up(world)
    messages = []
    for name in ("soon", "someday"):
        status, error = await _refused(served, key, json.dumps(question() | {"model": name}).encode())
        assert (status, error["code"], error["param"]) == (404, "model_not_released", "model")
        messages.append(error["message"])
    assert "releases it as a preview on 2099-01-31" in messages[0]
    assert "was announced on 2026-11-01, and its vendor has named no day" in messages[1]
    assert vendor.calls == []
    async with served.client(key) as client:
        listed = (await client.get("/v1/models")).json()["data"]
    assert [(model["id"], model["shutdown_date"]) for model in listed] == [("tiny", None)]


async def test_what_has_no_known_bound_is_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    image = [{"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]
    body = {"model": "tiny", "messages": [{"role": "user", "content": image}]}
    status, error = await _refused(served, key, json.dumps(body).encode())
    assert (status, error["code"]) == (400, "request_unpriced")
    world.add_model("endless", max_output_tokens=None)
    await served.catch_up(world)
    status, error = await _refused(served, key, json.dumps(question() | {"model": "endless"}).encode())
    assert (status, error["code"]) == (400, "request_unpriced")
    assert "max_completion_tokens" in error["message"]
    assert vendor.calls == []


class TestSmallBodies:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(body_bytes=10_000, body_seconds=1, watch_seconds=0.05)

    async def test_a_body_that_is_declared_too_large_is_refused_unread(self, served: Served, key: str) -> None:
        status, error = await _refused(served, key, b"x" * 10_001)
        assert (status, error["code"]) == (413, "request_too_large")

    async def test_a_body_that_grows_too_large_is_refused_while_it_is_read(self, served: Served, key: str) -> None:
        port = int(served.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        writer.write(head.encode() + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(11):
            writer.write(b"3e8\r\n" + b" " * 1000 + b"\r\n")
        assert b" 413 " in await reader.readline()
        writer.close()

    async def test_a_body_that_never_ends_is_given_up(self, served: Served, key: str) -> None:
        port = int(served.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        writer.write(head.encode() + b"content-length: 500\r\n\r\n{")
        assert b" 408 " in await reader.readline()
        writer.close()


async def test_a_compressed_body_is_refused(served: Served, key: str) -> None:
    body = gzip.compress(json.dumps(question()).encode())
    status, error = await _refused(served, key, body, **{"content-encoding": "gzip"})
    assert (status, error["code"]) == (415, "encoding_unsupported")


async def test_what_is_not_metered_does_not_exist(served: Served, key: str) -> None:
    paths = "/ /v1 /v1/responses/x/y /v1/batches/ /v1/chat/completions/ /v1/fine_tuning /admin /v1/modelsx"
    async with served.client(key) as client:
        for path in (*paths.split(), "/v1//chat/completions", "/v1/proxy/x", "/%2e%2e/metrics", "/%00"):
            for method in ("GET", "POST"):
                reply = await client.request(method, path)
                assert (reply.status_code, reply.json()["error"]["code"]) == (404, "route_unknown"), path


async def test_who_looks_for_what_vendors_keep_is_told_what_to_do_instead(served: Served, key: str) -> None:
    openais = ["uploads", "uploads/u/parts", "vector_stores", "vector_stores/v/search", "containers", "conversations/c"]
    paths = [f"/v1/{path}" for path in openais] + ["/v1beta/files/f", "/v1beta/cachedContents", "/upload/v1beta/files"]
    async with served.client(key) as client:
        for path in paths:
            reply = await client.post(path)
            told = reply.json()["error"]["message"]
            assert (reply.status_code, "within the request" in told or "send the whole" in told) == (404, True), path


async def test_every_route_has_its_methods_and_apis_refuse_strangers(served: Served) -> None:
    # A model's name may be anything, also what elsewhere is a method's name: what is asked for by GET is a model.
    served_too = {("GET", route.path) for route in ROUTES if "/models/{id}:" in route.path}
    served_too |= {(method, "/v1/responses/input_tokens") for method in ("GET", "DELETE")}
    routes = {(route.method, route.path) for route in ROUTES} | served_too
    async with served.client() as client:
        for route in ROUTES:
            path = route.path.replace("{id}", "tiny")
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
                reply = await client.request(method, path)
                is_served = (method, route.path) in routes
                wanted = 405 if not is_served else 401 if path.startswith("/v1") else 200
                assert reply.status_code == wanted, (method, path)


async def test_tags_come_from_key_and_header_and_teams_can_require_them(
    served: Served, world: World, vendor: Vendor
) -> None:
    world.execute("UPDATE teams_team SET required_tags = ARRAY['feature', 'customer'] WHERE id = %s", world.team)
    _, key = world.add_key(default_tags='{"customer": "house", "stage": "test"}')
    await served.catch_up(world)
    status, error = await _refused(served, key, json.dumps(question()).encode())
    assert (status, error["code"]) == (400, "tags_missing")
    assert "feature" in error["message"] and "customer" not in error["message"].replace("X-Bursar", "")
    async with served.client(key) as client:
        tags = {"x-bursar-tags": "feature=search, customer=acme"}
        assert (await client.post("/v1/chat/completions", json=question(), headers=tags)).status_code == 200
    (record,) = await world.recorded()
    assert record["tags"] == {"feature": "search", "customer": "acme", "stage": "test"}
    assert "x-bursar-tags" not in vendor.calls[0].headers


async def test_tags_that_are_not_well_formed_are_refused(served: Served, key: str) -> None:
    many = ",".join(f"t{number}=v" for number in range(17))
    async with served.client(key) as client:
        for tags in ("x", "=y", "a=", "a=b,a=c", "a b=c", "a=\u00e9", "a=" + "x" * 129, many):
            headers = [(b"x-bursar-tags", tags.encode())]
            reply = await client.post("/v1/chat/completions", json=question(), headers=headers)
            assert reply.status_code == 400, tags
            assert "X-Bursar-Tags" in reply.json()["error"]["message"]
