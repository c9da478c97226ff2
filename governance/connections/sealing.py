"""Sealing vendors' credentials: AES-256-GCM with the connection's id as associated data. Pure.

A sealed credential copied to another connection's row does not open. Several sealing keys may be at hand: the first
one seals, any opens what it sealed, so that keys can be changed one by one.
"""

import os
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.connections.errors import SealBroken
from governance.core.environment import SealingKey

NONCE_BYTES = 12


class Sealed(msgspec.Struct, frozen=True):
    """A credential under a sealing key."""

    key_id: str
    nonce: bytes
    ciphertext: bytes


def seal(credential: str, *, connection_id: int, keys: Sequence[SealingKey]) -> Sealed:
    """Seal with the first key. Raises SealBroken when there is none."""
    if not keys:
        raise SealBroken("There is no sealing key: set BURSAR_SEALING_KEYS.")
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = AESGCM(keys[0].key).encrypt(nonce, credential.encode(), _associated(connection_id))
    return Sealed(keys[0].key_id, nonce, ciphertext)


def unseal(sealed: Sealed, *, connection_id: int, keys: Sequence[SealingKey]) -> str:
    """Open with the key that sealed. Raises SealBroken; its message never holds anything of the credential."""
    key = next((key for key in keys if key.key_id == sealed.key_id), None)
    if key is None:
        raise SealBroken(
            f"The credential of connection {connection_id} was sealed with the key {sealed.key_id!r}, which "
            "BURSAR_SEALING_KEYS does not hold: add that key behind the others, or enter the credential again."
        )
    try:
        return AESGCM(key.key).decrypt(sealed.nonce, sealed.ciphertext, _associated(connection_id)).decode()
    except InvalidTag as error:
        raise SealBroken(
            f"The sealed credential of connection {connection_id} does not open: the key named {key.key_id!r} is "
            "another one now, or the row was changed. Enter the credential again."
        ) from error


def _associated(connection_id: int) -> bytes:
    return f"bursar.connection:{connection_id}".encode()
