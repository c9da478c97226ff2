"""Who calls: a virtual key in a header, checked against its digest and against the time."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b

from governance.core.errors import AuthenticationFailed
from governance.gateway.keeper import Keeper
from governance.keys.errors import KeyTextInvalid
from governance.keys.secret import parse_secret
from governance.policy.snapshot import KeyPolicy

_HEADERS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
_LONGEST = 256
_MARK_BYTES = 16
_IN_QUERY = (b"key=", b"token=", b"bsr_")

_NO_KEY = (
    "No virtual key was sent: put it into the header as `Authorization: Bearer bsr_...`. "
    "Whoever administers your team in Bursar issues keys."
)
_WRONG_KEY = (
    "This virtual key is not valid: check that it was copied whole, or ask whoever administers your team "
    "in Bursar for a new one."
)


class Identifier:
    """Tells callers by their keys. One per process.

    A key is checked against its digest the first time it is seen; from then on it is recognised by a mark of its text
    under a secret of this process, for as long as the keeper keeps what it found.
    """

    def __init__(self, *, keeper: Keeper, pepper: bytes) -> None:
        self._keeper = keeper
        self._pepper = pepper
        self._mark_key = secrets.token_bytes(blake2b.MAX_KEY_SIZE)

    async def identify(self, headers: Mapping[bytes, bytes], *, query: bytes, at: datetime) -> KeyPolicy:
        """Return the policy of the key in these headers. Raises AuthenticationFailed or GovernanceUnavailable.

        Unknown, malformed and wrong keys get one and the same answer.
        """
        if query and any(sign in query.lower() for sign in _IN_QUERY):
            raise AuthenticationFailed(
                "A key in the address ends up in logs along the way: send it in the Authorization header, "
                "and have this key rotated."
            )
        text = _presented(headers)
        if len(text) > _LONGEST:
            raise AuthenticationFailed(_WRONG_KEY)
        mark = blake2b(text, key=self._mark_key, digest_size=_MARK_BYTES).digest()
        policy = self._keeper.recognise(mark)
        if policy is None:
            policy = await self._verify(text)
            self._keeper.remember(mark, policy)
        _refuse_ended(policy, at)
        return policy

    async def _verify(self, text: bytes) -> KeyPolicy:
        if not text.isascii():
            raise AuthenticationFailed(_WRONG_KEY)
        try:
            secret = parse_secret(text.decode("ascii"))
        except KeyTextInvalid:
            raise AuthenticationFailed(_WRONG_KEY) from None
        policy = await self._keeper.key(secret.public_id)
        if policy is None or not secret.matches(policy.digest, pepper=self._pepper):
            raise AuthenticationFailed(_WRONG_KEY)
        return policy


def _presented(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the text of the key. Raises AuthenticationFailed when there is none, or more than one."""
    text = b""
    for name in [name for name in _HEADERS if name in headers]:
        value = _value(name, headers[name])
        if value and text and value != text:
            raise AuthenticationFailed("Two headers carry different keys: send the virtual key in one of them.")
        text = value or text
    if not text:
        raise AuthenticationFailed(_NO_KEY)
    return text


def _value(name: bytes, header: bytes) -> bytes:
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
