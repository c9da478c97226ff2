"""Bodies that are made to cost: nesting, keys, numbers, bytes, encodings. Each is refused, or served like any other."""

import gzip
import json

from tests.gateway.vendor import Vendor
from tests.gateway.world import Served, World, question
from tests.security.asking import PATH, packed, refused, with_raw

DEEP = 100_000


async def test_what_is_no_json_is_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    bodies = {
        "depth in an unknown field": with_raw(metadata="[" * DEEP + "]" * DEEP),
        "depth of objects": with_raw(metadata='{"a":' * DEEP + "1" + "}" * DEEP),
        "depth without an end": "[" * DEEP,
        "depth in a message": packed()[:-2].replace('"Hi"', "[" * DEEP + "]" * DEEP) + "]}",
        "a number without end": with_raw(max_tokens="9" * 100_000),
        "a number beyond all bounds": with_raw(max_tokens="1e999"),
        "two documents": packed() + packed(),
        "a NaN": with_raw(temperature="NaN"),
        "a comment": packed()[:-1] + "/* */}",
        "nothing": "",
        "a list": f"[{packed()}]",
    }
    for name, body in bodies.items():
        assert (await refused(served, world, vendor, key, body))[0] == 400, name


async def test_bytes_that_are_no_text_are_refused(served: Served, world: World, vendor: Vendor, key: str) -> None:
    async with served.client(key) as client:
        for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x00"):
            answered = await client.post(PATH, content=packed().encode().replace(b"Hi", bad))
            assert answered.status_code == 400, bad
        for encoding in ("utf-16", "utf-32"):
            assert (await client.post(PATH, content=packed().encode(encoding))).status_code == 400, encoding
    assert vendor.calls == [] and world.attempts() == []


async def test_a_million_keys_are_read_once_or_refused(served: Served, vendor: Vendor, key: str) -> None:
    many = ",".join(f'"{number}":0' for number in range(1_000_000))
    bodies = {
        "in a field of its own": with_raw(metadata=f"{{{many}}}"),
        "of the request": f"{packed()[:-1]},{many}}}",
        # The inner one makes the messages be read again, strictly, and only the last name stands twice.
        "of a message, the last one twice": packed()[:-3] + f',"x":{{"content":0}},{many},"999999":0}}]}}',
        "of a field, with another one twice": with_raw(metadata=f"{{{many}}}", model='"tiny"'),
    }
    async with served.client(key) as client:
        for name, body in bodies.items():
            answered = await client.post(PATH, content=body)
            # The first may be too slow for the vendor of this test, which reads every key.
            assert answered.status_code in ((400,) if name != "in a field of its own" else (200, 504)), name
        assert (await client.post(PATH, json=question("after"))).status_code == 200


async def test_compressed_bodies_are_not_unfolded_whatever_they_are_called(
    served: Served, world: World, vendor: Vendor, key: str
) -> None:
    bomb = gzip.compress(b"0" * 2**26)
    async with served.client(key) as client:
        for encoding in ("gzip", "x-gzip", "deflate", "br", "zstd", "compress", "identity, gzip", "GZIP", "evil"):
            answered = await client.post(PATH, content=bomb, headers={"content-encoding": encoding})
            assert (answered.status_code, answered.json()["error"]["code"]) == (415, "encoding_unsupported"), encoding
        assert (await client.post(PATH, content=bomb)).status_code == 400
    assert vendor.calls == [] and world.attempts() == []


async def test_forms_and_multipart_are_no_questions(served: Served, world: World, vendor: Vendor, key: str) -> None:
    async with served.client(key) as client:
        parts = [(f"part{number}", (None, "x")) for number in range(20)]
        assert (await client.post(PATH, files=parts)).status_code == 400
        assert (await client.post(PATH, data={"model": "tiny", "messages": "Hi"})).status_code == 400
    assert vendor.calls == [] and world.attempts() == []


async def test_the_type_that_a_body_is_said_to_have_decides_nothing(served: Served, vendor: Vendor, key: str) -> None:
    async with served.client(key) as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-7"):
            answered = await client.post(PATH, content=json.dumps(question()), headers={"content-type": kind})
            assert answered.status_code == 200
    assert {call.headers["content-type"] for call in vendor.calls} == {"application/json"}
