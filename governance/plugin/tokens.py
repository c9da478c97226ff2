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


class TokenGrant(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange at a token endpoint (RFC 6749, section 3.2): a form is posted, and a bearer token comes back.

    `form` may hold a client's secret; the representation shows neither it nor the key. A signed `assertion` is put
    into the form's field of that name.
    """

    url: str
    form: Mapping[str, str]
    assertion: Assertion | None = None

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
