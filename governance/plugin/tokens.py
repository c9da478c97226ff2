"""Credentials that are not sent themselves but exchanged for a token that lives for an hour or so.

A provider *describes* the exchange (`token_grant`); Bursar makes it, keeps the token, and renews it in time. What the
provider's other methods then get as `ConnectionSettings.credential` is the token.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import msgspec

from governance.plugin.provider import ConnectionSettings


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON Web Token that Bursar signs with RS256 at the time of the exchange (RFC 7523, section 2.1).

    `claims` are all but `iat` and `exp`, which lie `lifetime_seconds` apart. `private_key` is in PEM.
    """

    claims: Mapping[str, str]
    private_key: str
    key_id: str = ""
    lifetime_seconds: int = 3600

    def __repr__(self) -> str:
        return f"Assertion(key_id={self.key_id!r})"


class GrantedToken(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange gave: the text that stands for the credential, and for how long."""

    text: str
    lifetime_seconds: int

    def __repr__(self) -> str:
        return f"GrantedToken(lifetime_seconds={self.lifetime_seconds})"


class Exchange(Protocol):
    """An exchange that follows neither of the RFCs below. Plain data that is equal where the credential is: a change of
    it is how Bursar learns that another token is needed. No I/O; its representation shows no secret.
    """

    def headers(self, *, url: str, body: bytes) -> tuple[tuple[str, str], ...]:
        """Return what to send beside this body, which is the grant's form, at the time of the exchange."""

    def read(self, body: bytes) -> GrantedToken | None:
        """Return the token of an answer with the status 200; None where it holds none."""

    def reason(self, body: bytes) -> str:
        """Return the vendor's code of a refusal, letters and underscores; empty where it names none."""


class TokenGrant(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange at a token endpoint (RFC 6749, section 3.2): a form is posted, and a bearer token comes back.

    `form` may hold a client's secret; the representation shows neither it nor the key. A signed `assertion` is put
    into the form's field of that name. `exchange` says what is otherwise where a vendor follows rules of its own.
    """

    url: str
    form: Mapping[str, str]
    assertion: Assertion | None = None
    exchange: Exchange | None = None

    def __repr__(self) -> str:
        return f"TokenGrant(url={self.url!r})"


@runtime_checkable
class ExchangesCredentials(Protocol):
    """A provider some of whose credentials are exchanged for tokens."""

    def token_grant(self, *, connection: ConnectionSettings) -> TokenGrant | None:
        """Describe the exchange; None where this connection's credential is sent as it is. Raises ConnectionInvalid."""


def client_credentials(*, url: str, client_id: str, client_secret: str, scope: str) -> TokenGrant:
    """Describe the grant of RFC 6749, section 4.4, with the client's secret in the form."""
    return TokenGrant(
        url=url,
        form={
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "scope": scope,
        },
    )


def signed_assertion(*, url: str, assertion: Assertion) -> TokenGrant:
    """Describe the grant of RFC 7523, section 2.1, as Google's service accounts use it."""
    return TokenGrant(url=url, form={"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, assertion=assertion)
