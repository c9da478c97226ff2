"""Who calls: a virtual key in a header, checked against its digest and against the time."""

from collections.abc import Mapping
from datetime import datetime

from governance.core.errors import AuthenticationFailed
from governance.gateway.keeper import Keeper
from governance.keys.errors import KeyTextInvalid
from governance.keys.secret import KeySecretText, parse_secret
from governance.policy.snapshot import KeyPolicy

_HEADERS = (b"authorization", b"x-api-key", b"api-key")
_LONGEST = 256
_IN_QUERY = (b"key=", b"token=", b"bsr_")

_NO_KEY = (
    "No virtual key was sent: put it into the header as `Authorization: Bearer bsr_...`. "
    "Whoever administers your team in Bursar issues keys."
)
_WRONG_KEY = (
    "This virtual key is not valid: check that it was copied whole, or ask whoever administers your team "
    "in Bursar for a new one."
)


async def identify(
    *, headers: Mapping[bytes, bytes], query: bytes, keeper: Keeper, pepper: bytes, at: datetime
) -> KeyPolicy:
    """Return the policy of the key in these headers. Raises AuthenticationFailed or GovernanceUnavailable.

    Unknown, malformed and wrong keys get one and the same answer.
    """
    if query and any(sign in query.lower() for sign in _IN_QUERY):
        raise AuthenticationFailed(
            "A key in the address ends up in logs along the way: send it in the Authorization header, "
            "and have this key rotated."
        )
    secret = _secret(headers)
    policy = await keeper.key(secret.public_id)
    if policy is None or not secret.matches(policy.digest, pepper=pepper):
        raise AuthenticationFailed(_WRONG_KEY)
    _refuse_ended(policy, at)
    return policy


def _secret(headers: Mapping[bytes, bytes]) -> KeySecretText:
    values = {value for name in _HEADERS if (value := _value(name, headers.get(name)))}
    if not values:
        raise AuthenticationFailed(_NO_KEY)
    value = values.pop()
    if values:
        raise AuthenticationFailed("Two headers carry different keys: send the virtual key in one of them.")
    if len(value) > _LONGEST or not value.isascii():
        raise AuthenticationFailed(_WRONG_KEY)
    try:
        return parse_secret(value.decode("ascii"))
    except KeyTextInvalid:
        raise AuthenticationFailed(_WRONG_KEY) from None


def _value(name: bytes, header: bytes | None) -> bytes:
    if header is None:
        return b""
    if name == b"authorization":
        scheme, _, value = header.partition(b" ")
        return value.strip() if scheme.lower() == b"bearer" else b"unknown scheme"
    return header.strip()


def _refuse_ended(policy: KeyPolicy, at: datetime) -> None:
    if policy.revoked_at is not None and policy.revoked_at <= at:
        raise AuthenticationFailed("This virtual key was revoked: use another one.")
    for expires_at in (policy.expires_at, policy.secret_expires_at):
        if expires_at is not None and expires_at <= at:
            raise AuthenticationFailed(
                f"This virtual key expired at {expires_at:%Y-%m-%d %H:%M} UTC: ask for a new one, or rotate it."
            )
    if policy.is_team_archived:
        raise AuthenticationFailed(f"The team {policy.team_name!r} of this virtual key is archived: use another key.")
