"""What AWS does at its end, written from its documentation and apart from what is under test: it checks a signature
(docs.aws.amazon.com, "Create a signed AWS API request"), and it frames a stream of events.
"""

import binascii
import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote

KEYS = {"access_key_id": "AKIDEXAMPLE012345678", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+canary"}
TEMPORARY = {**KEYS, "session_token": "IQoJb3JpZ2luX2VjEN-canary/=="}
ROLE = "arn:aws:iam::123456789012:role/teams/bursar"
_AUTHORISATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([a-z0-9-]+)/([a-z]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def signed_for(*, path: str, headers: Mapping[str, str], body: bytes, secret: str, service: str = "bedrock") -> str:
    """Return the region for which this POST is signed. Fails unless the signature holds for all of it."""
    found = _AUTHORISATION.fullmatch(headers["authorization"])
    assert found is not None
    _, day, region, named, names, signature = found.groups()
    assert named == service
    assert {"host", "content-type", "x-amz-date"} <= set(names.split(";"))
    assert names.split(";") == sorted(names.split(";")) and headers["x-amz-date"].startswith(day)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names.split(";"))
    place = "/".join(quote(part, safe="-_.~") for part in path.split("/"))
    request = f"POST\n{place}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    assert hmac.compare_digest(key.hex(), signature)
    return region


def assumed(keys: Mapping[str, str]) -> bytes:
    """Return the answer of the token service for a role that was assumed, as the API reference of AssumeRole has it."""
    tags = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    names = ("access_key_id", "secret_access_key", "session_token")
    given = "".join(f"<{tag}>{keys[name]}</{tag}>" for tag, name in zip(tags, names, strict=True))
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
        f"<AssumedRoleUser><AssumedRoleId>ARO123EXAMPLE123:bursar-1</AssumedRoleId><Arn>{ROLE}/bursar-1</Arn>"
        f"</AssumedRoleUser><Credentials>{given}<Expiration>2026-12-01T13:00:00Z</Expiration></Credentials>"
        "<PackedPolicySize>6</PackedPolicySize></AssumeRoleResult><ResponseMetadata>"
        "<RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata></AssumeRoleResponse>"
    ).encode()


def frame(payload: bytes, **headers: str) -> bytes:
    """Return one frame; the names of headers have their colon in front and hyphens for underscores."""
    named = b"".join(_header(":" + name.replace("_", "-"), value) for name, value in headers.items())
    prelude = (16 + len(named) + len(payload)).to_bytes(4, "big") + len(named).to_bytes(4, "big")
    begun = prelude + _checksum(prelude) + named + payload
    return begun + _checksum(begun)


def chunk(event: Mapping[str, object]) -> bytes:
    """Return the frame in which Bedrock hands on one event of a Claude model, with padding of its own."""
    held = {"bytes": b64encode(json.dumps(event).encode()).decode(), "p": "abcdefgh"}
    return frame(json.dumps(held).encode(), event_type="chunk", content_type="application/json", message_type="event")


def exception(name: str, message: str) -> bytes:
    """Return the frame that ends a stream with an exception."""
    return frame(
        json.dumps({"message": message}).encode(),
        exception_type=name,
        content_type="application/json",
        message_type="exception",
    )


def _header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2, "big") + value.encode()


def _checksum(data: bytes) -> bytes:
    return binascii.crc32(data).to_bytes(4, "big")
