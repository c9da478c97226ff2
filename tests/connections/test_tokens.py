"""Access tokens: exchanged over real HTTP, kept, renewed before they expire, and never told."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from structlog.testing import capture_logs

from governance.connections.errors import TokenRefused
from governance.connections.tokens import Tokens, exchange, signed
from governance.plugin.tokens import Assertion, GrantedToken, TokenGrant, client_credentials, signed_assertion
from tests.gateway.conftest import vendor
from tests.gateway.vendor import Answer, Vendor, VendorCall

__all__ = ["vendor"]

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECRET = "client-secret-canary-51d0"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


def giving(text: str = "token-1", *, status: int = 200, **fields: object) -> Answer:
    async def answer(call: VendorCall) -> None:
        body = {"access_token": text, "token_type": "Bearer", "expires_in": 3600, **fields}
        await call.reply(json.dumps(body).encode(), status=status)

    return answer


def grant(vendor: Vendor) -> TokenGrant:
    return client_credentials(url=f"{vendor.base_url}/token", client_id="me", client_secret=SECRET, scope="all")


@pytest.fixture
async def tokens() -> AsyncIterator[Tokens]:
    made = Tokens()
    yield made
    await made.close()


async def test_a_token_is_got_once_kept_and_renewed_before_it_expires(tokens: Tokens, vendor: Vendor) -> None:
    vendor.answer = giving("token-1")
    assert tokens.held(7, grant(vendor), at=AT) is None
    assert await tokens.fetch(at=AT)
    assert tokens.held(7, grant(vendor), at=AT) == "token-1"
    assert not tokens.is_due(AT + timedelta(minutes=47))
    assert tokens.is_due(AT + timedelta(minutes=48))
    vendor.answer = giving("token-2")
    assert await tokens.fetch(at=AT + timedelta(minutes=48))
    assert tokens.held(7, grant(vendor), at=AT + timedelta(minutes=48)) == "token-2"
    forms = [parse_qs(call.body.decode()) for call in vendor.calls]
    assert (
        forms
        == [{"grant_type": ["client_credentials"], "client_id": ["me"], "client_secret": [SECRET], "scope": ["all"]}]
        * 2
    )


async def test_while_it_cannot_be_renewed_a_token_is_used_to_its_end(tokens: Tokens, vendor: Vendor) -> None:
    vendor.answer = giving()
    tokens.held(7, grant(vendor), at=AT)
    await tokens.fetch(at=AT)
    vendor.answer = giving(status=503)
    late = AT + timedelta(minutes=50)
    assert not await tokens.fetch(at=late)
    assert not tokens.is_due(late + timedelta(seconds=14))
    assert tokens.is_due(late + timedelta(seconds=15))
    assert tokens.held(7, grant(vendor), at=AT + timedelta(minutes=59, seconds=59)) == "token-1"
    assert tokens.held(7, grant(vendor), at=AT + timedelta(minutes=60)) is None


async def test_another_credential_means_another_token_and_a_removed_connection_none(
    tokens: Tokens, vendor: Vendor
) -> None:
    vendor.answer = giving()
    tokens.held(7, grant(vendor), at=AT)
    await tokens.fetch(at=AT)
    other = client_credentials(url=f"{vendor.base_url}/token", client_id="other", client_secret=SECRET, scope="all")
    assert tokens.held(7, other, at=AT) is None
    assert tokens.is_due(AT)
    tokens.forget_others({8})
    assert not tokens.is_due(AT + timedelta(days=1))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (giving(status=401, error="invalid_client", error_description=SECRET), "refused with 401: invalid_client."),
        (giving(status=400, error=SECRET), "refused with 400."),
        (giving(token_type="mac"), "something else than a token"),
        (giving(""), "a token that cannot be sent"),
        (giving("a\r\nx-evil: 1"), "a token that cannot be sent"),
        (giving("é"), "a token that cannot be sent"),
        (giving(access_token=None), "something else than a token"),
        (giving(expires_in="soon"), "something else than a token"),
    ],
)
async def test_what_is_no_token_is_refused_without_telling_a_secret(
    vendor: Vendor, answer: Answer, reason: str
) -> None:
    vendor.answer = answer
    async with httpx.AsyncClient() as client:
        with pytest.raises(TokenRefused) as refused:
            await exchange(client, grant(vendor), at=AT)
    assert reason in refused.value.message
    assert SECRET not in refused.value.message + repr(grant(vendor))


@pytest.mark.parametrize(
    ("seconds", "lifetime"),
    [(None, timedelta(hours=1)), ("600", timedelta(minutes=10)), (0, timedelta(minutes=1)), (-5, timedelta(minutes=1))],
)
async def test_a_lifetime_that_is_missing_or_absurd_is_replaced(
    vendor: Vendor, seconds: object, lifetime: timedelta
) -> None:
    vendor.answer = giving(expires_in=seconds)
    async with httpx.AsyncClient() as client:
        assert (await exchange(client, grant(vendor), at=AT)).expires_at == AT + lifetime


async def test_an_endpoint_that_is_away_is_a_refusal(tokens: Tokens) -> None:
    away = client_credentials(url="http://127.0.0.1:9/token", client_id="me", client_secret=SECRET, scope="all")
    tokens.held(7, away, at=AT)
    assert not await tokens.fetch(at=AT)


class Own(msgspec.Struct, frozen=True):
    """A vendor's own rules."""

    secret: str

    def headers(self, *, url: str, body: bytes) -> tuple[tuple[str, str], ...]:
        return (("x-signed", f"{url.rpartition('/')[2]}:{body.decode()}"),)

    def read(self, body: bytes) -> GrantedToken | None:
        if body == b"broken":
            raise RuntimeError("A plugin's own fault.")
        return GrantedToken(text=body.decode(), lifetime_seconds=900) if body else None

    def reason(self, body: bytes) -> str:
        return body.decode()


async def test_an_exchange_by_a_vendors_own_rules_is_kept_and_known_again(tokens: Tokens, vendor: Vendor) -> None:
    async def answer(call: VendorCall) -> None:
        assert call.headers["x-signed"] == "token:Action=Assume"
        await call.reply(b"token-1")

    vendor.answer = answer
    described = TokenGrant(url=f"{vendor.base_url}/token", form={"Action": "Assume"}, exchange=Own(SECRET))
    tokens.held(7, described, at=AT)
    assert await tokens.fetch(at=AT)
    again = msgspec.structs.replace(described, exchange=Own(SECRET))
    assert tokens.held(7, again, at=AT + timedelta(minutes=14)) == "token-1"
    assert tokens.held(7, msgspec.structs.replace(described, exchange=Own("other")), at=AT) is None
    assert SECRET not in repr(described)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, b"AccessDenied", "refused with 403: AccessDenied."),
        (403, f"No {SECRET}".encode(), "refused with 403."),
        (200, b"", "something else than a token"),
        (200, b"broken", "plugin_failed"),
    ],
)
async def test_what_such_an_exchange_does_not_give_is_logged_without_a_secret(
    tokens: Tokens, vendor: Vendor, status: int, body: bytes, told: str
) -> None:
    async def answer(call: VendorCall) -> None:
        await call.reply(body, status=status)

    vendor.answer = answer
    described = TokenGrant(url=f"{vendor.base_url}/token", form={}, exchange=Own(SECRET))
    tokens.held(7, described, at=AT)
    with capture_logs() as logs:
        assert not await tokens.fetch(at=AT)
    assert not tokens.is_due(AT)
    (line,) = logs
    assert told in line["reason"] and SECRET not in str(line)


def unpacked(part: str) -> dict[str, object]:
    decoded: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=="))
    return decoded


async def test_an_assertion_is_signed_with_the_accounts_key_at_the_time_of_the_exchange(vendor: Vendor) -> None:
    vendor.answer = giving()
    assertion = Assertion(claims={"iss": "robot", "aud": "here"}, private_key=PEM, key_id="k1")
    async with httpx.AsyncClient() as client:
        await exchange(client, signed_assertion(url=f"{vendor.base_url}/token", assertion=assertion), at=AT)
    form = parse_qs(vendor.calls[0].body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = form["assertion"][0].split(".")
    assert unpacked(head) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    issued = int(AT.timestamp())
    assert unpacked(claims) == {"iss": "robot", "aud": "here", "iat": issued, "exp": issued + 3600}
    raw, text = base64.urlsafe_b64decode(signature + "=="), f"{head}.{claims}".encode()
    KEY.public_key().verify(raw, text, PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(raw, text + b"x", PKCS1v15(), hashes.SHA256())


def test_what_is_no_rsa_key_is_refused_without_repeating_it() -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for key, reason in (("no key " + SECRET, "no key in PEM"), (curve.decode(), "no RSA key")):
        with pytest.raises(TokenRefused, match=reason) as refused:
            signed(Assertion(claims={}, private_key=key), at=AT)
        assert SECRET not in refused.value.message
    assert PEM not in repr(Assertion(claims={}, private_key=PEM))
