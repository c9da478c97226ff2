"""Access tokens: exchanged for credentials that are not sent themselves, kept in memory, renewed before they expire."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import httpx
import msgspec
import structlog
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from governance.connections.errors import TokenRefused
from governance.plugin.provider import ConnectionSettings, Provider
from governance.plugin.tokens import Assertion, Exchange, ExchangesCredentials, GrantedToken, TokenGrant

_log = structlog.get_logger("bursar.connections")

EXCHANGE_SECONDS: Final = 10.0
_SHORTEST = timedelta(seconds=60)
"""A token that is to live shorter than this is taken to live so long: it would be renewed without end."""
_USUAL_SECONDS: Final = 3600
"""How long a token lives whose endpoint does not say (RFC 6749 only recommends that it does)."""
_RETRY = timedelta(seconds=15)
_BEARER: Final = "bearer"
_LONGEST_CODE: Final = 64


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """A bearer token. It is renewed from `renew_at` on, and not used any more after `expires_at`."""

    text: str
    renew_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at})"


class _Answer(msgspec.Struct):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a kind of token
    expires_in: int | None = None


class _Refusal(msgspec.Struct):
    error: str = ""


_answer = msgspec.json.Decoder(_Answer, strict=False)
_refusal = msgspec.json.Decoder(_Refusal)


class _ByRFC:
    """The exchange of RFC 6749."""

    def headers(self, *, url: str, body: bytes) -> tuple[tuple[str, str], ...]:
        """See Exchange."""
        return (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))

    def read(self, body: bytes) -> GrantedToken | None:
        """See Exchange (section 5.1)."""
        try:
            answer = _answer.decode(body)
        except msgspec.DecodeError:
            return None
        if answer.token_type.lower() != _BEARER:
            return None
        lifetime = _USUAL_SECONDS if answer.expires_in is None else answer.expires_in
        return GrantedToken(text=answer.access_token, lifetime_seconds=lifetime)

    def reason(self, body: bytes) -> str:
        """See Exchange (section 5.2). Nothing else of the body is told: it may repeat what was sent."""
        try:
            return _refusal.decode(body).error
        except msgspec.DecodeError:
            return ""


_BY_RFC: Final[Exchange] = _ByRFC()


def grant_of(provider: Provider, settings: ConnectionSettings) -> TokenGrant | None:
    """Return how the credential is exchanged; None where it is sent as it is. Raises ConnectionInvalid."""
    if not isinstance(provider, ExchangesCredentials):
        return None
    return provider.token_grant(connection=settings)


class Tokens:
    """The tokens of one process, by connection. Nothing here waits but `fetch`."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._held: dict[int, tuple[TokenGrant, AccessToken]] = {}
        self._wanted: dict[int, TokenGrant] = {}
        self._failed_at: dict[int, datetime] = {}

    def held(self, connection_id: int, grant: TokenGrant, *, at: datetime) -> str | None:
        """Return the token for this grant, or None where there is none yet; `fetch` then gets it."""
        kept, token = self._held.get(connection_id, (None, None))
        if kept != grant or token is None or at >= token.expires_at:
            self._held.pop(connection_id, None)
            self._wanted[connection_id] = grant
            return None
        return token.text

    def is_due(self, at: datetime) -> bool:
        """Return whether `fetch` would ask for something now."""
        return bool(self._due(at))

    async def fetch(self, *, at: datetime) -> bool:
        """Get what is wanted or to be renewed, all at once, and return whether anything came.

        What is refused is logged, and asked for again a while later.
        """
        came = await asyncio.gather(*[self._fetch_one(key, grant, at=at) for key, grant in self._due(at).items()])
        return any(came)

    def forget_others(self, connection_ids: Collection[int]) -> None:
        """Keep and renew only the tokens of these connections."""
        for kept in (self._held, self._wanted, self._failed_at):
            for gone in kept.keys() - connection_ids:
                del kept[gone]

    async def close(self) -> None:
        """Close the connections to token endpoints."""
        if self._client is not None:
            await self._client.aclose()

    def _due(self, at: datetime) -> dict[int, TokenGrant]:
        old = {key: grant for key, (grant, token) in self._held.items() if at >= token.renew_at}
        return {
            key: grant
            for key, grant in {**old, **self._wanted}.items()
            if key not in self._failed_at or at >= self._failed_at[key] + _RETRY
        }

    async def _fetch_one(self, connection_id: int, grant: TokenGrant, *, at: datetime) -> bool:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=EXCHANGE_SECONDS, follow_redirects=False, trust_env=False)
        try:
            token = await exchange(self._client, grant, at=at)
        except TokenRefused as error:
            self._failed_at[connection_id] = at
            _log.warning("token_refused", connection_id=connection_id, reason=error.message)
            return False
        except Exception:  # noqa: BLE001 - a plugin's own fault costs its connection the token, not others theirs
            self._failed_at[connection_id] = at
            _log.exception("token_refused", connection_id=connection_id, reason="plugin_failed")
            return False
        self._held[connection_id] = (grant, token)
        self._wanted.pop(connection_id, None)
        self._failed_at.pop(connection_id, None)
        return True


async def exchange(client: httpx.AsyncClient, grant: TokenGrant, *, at: datetime) -> AccessToken:
    """Make one exchange. Raises TokenRefused, whose sentence repeats no secret."""
    form = dict(grant.form)
    if grant.assertion is not None:
        form["assertion"] = signed(grant.assertion, at=at)
    rules = _BY_RFC if grant.exchange is None else grant.exchange
    body = urlencode(form).encode()
    try:
        reply = await client.post(grant.url, content=body, headers=list(rules.headers(url=grant.url, body=body)))
    except httpx.HTTPError as error:
        raise TokenRefused(f"The token endpoint {grant.url} did not answer ({type(error).__name__}).") from error
    if reply.status_code != 200:
        reason = rules.reason(reply.content)
        is_code = reason.isascii() and reason.replace("_", "").isalpha() and len(reason) <= _LONGEST_CODE
        told = f": {reason}" if is_code else ""
        raise TokenRefused(f"The token endpoint {grant.url} refused with {reply.status_code}{told}.")
    token = rules.read(reply.content)
    if token is None:
        raise TokenRefused(f"The token endpoint {grant.url} answered with something else than a token.")
    if not token.text or not token.text.isascii() or not token.text.isprintable():
        raise TokenRefused(f"The token endpoint {grant.url} gave a token that cannot be sent.")
    lifetime = max(_SHORTEST, timedelta(seconds=token.lifetime_seconds))
    return AccessToken(text=token.text, renew_at=at + lifetime * 0.8, expires_at=at + lifetime)


def signed(assertion: Assertion, *, at: datetime) -> str:
    """Return the assertion as a JSON Web Token in its compact form (RFC 7515), signed with RS256.

    Raises TokenRefused when the key is not an RSA key in PEM.
    """
    try:
        key = load_pem_private_key(assertion.private_key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise TokenRefused("The private key of the credential is no key in PEM without a password.") from error
    if not isinstance(key, RSAPrivateKey):
        raise TokenRefused("The private key of the credential is no RSA key.")
    issued = int(at.timestamp())
    head = {"alg": "RS256", "typ": "JWT"} | ({"kid": assertion.key_id} if assertion.key_id else {})
    claims = {**assertion.claims, "iat": issued, "exp": issued + assertion.lifetime_seconds}
    text = b".".join(_base64(msgspec.json.encode(part)) for part in (head, claims))
    return b".".join((text, _base64(key.sign(text, PKCS1v15(), hashes.SHA256())))).decode()


def _base64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
