"""The text of a virtual key: `bsr_<public id>_<secret>_<checksum>`. Pure.

The secret has 256 random bits. The checksum lets a typo, or a key cut off in a configuration, be told from an unknown
key without asking the database, and lets scanners recognise leaked keys. The database keeps an HMAC-SHA-256 under the
server's pepper: without the pepper a stolen table lets nobody guess, and a fast digest suffices for random secrets.
"""

import hmac
import re
import secrets
from binascii import crc32

import msgspec

from governance.keys.errors import KeyTextInvalid

PREFIX = "bsr"
PUBLIC_ID_CHARACTERS = 12
SECRET_CHARACTERS = 43
CHECKSUM_CHARACTERS = 6

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PUBLIC_ID_BITS = 71
_SECRET_BITS = 256
_SHAPE = re.compile(
    rf"{PREFIX}_([0-9A-Za-z]{{{PUBLIC_ID_CHARACTERS}}})"
    rf"_([0-9A-Za-z]{{{SECRET_CHARACTERS}}})_([0-9A-Za-z]{{{CHECKSUM_CHARACTERS}}})"
)


class KeySecretText(msgspec.Struct, frozen=True):
    """The two parts of a key's text: the public id it is looked up by, and the secret that proves it."""

    public_id: str
    secret: str

    def __repr__(self) -> str:
        return f"KeySecretText(public_id={self.public_id!r})"

    def text(self) -> str:
        """Return the whole text, as it is shown once."""
        body = f"{PREFIX}_{self.public_id}_{self.secret}"
        return f"{body}_{_checksum(body)}"

    def digest(self, *, pepper: bytes) -> bytes:
        """Return HMAC-SHA-256 over public id and secret, so that a digest fits no other row."""
        return hmac.digest(pepper, f"{self.public_id}_{self.secret}".encode(), "sha256")

    def matches(self, digest: bytes, *, pepper: bytes) -> bool:
        """Compare with a stored digest in constant time."""
        return hmac.compare_digest(self.digest(pepper=pepper), digest)


def make_secret() -> KeySecretText:
    """Return a new random key."""
    return KeySecretText(
        public_id=_base62(secrets.randbits(_PUBLIC_ID_BITS), PUBLIC_ID_CHARACTERS),
        secret=_base62(secrets.randbits(_SECRET_BITS), SECRET_CHARACTERS),
    )


def parse_secret(text: str) -> KeySecretText:
    """Read a key's text. Raises KeyTextInvalid; never asks the database, never repeats the text."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise KeyTextInvalid(
            "This is not a virtual key of Bursar's: a key begins with bsr_ and has 67 characters. "
            "Copy it again, or ask for a new one."
        )
    public_id, secret, checksum = match.groups()
    if _checksum(text[: -CHECKSUM_CHARACTERS - 1]) != checksum:
        raise KeyTextInvalid("The key has a typing error: its checksum does not fit. Copy it again as a whole.")
    return KeySecretText(public_id, secret)


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), CHECKSUM_CHARACTERS)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
