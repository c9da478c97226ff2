"""Sealing vendors' credentials, and other secrets: AES-256-GCM with their owner's id as associated data. Pure.

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
    """Seal a credential with the first key. Raises SealBroken when there is none."""
    return seal_secret(credential.encode(), owner=_owner(connection_id), keys=keys)


def unseal(sealed: Sealed, *, connection_id: int, keys: Sequence[SealingKey]) -> str:
    """Open with the key that sealed. Raises SealBroken; its message never holds anything of the credential."""
    try:
        return unseal_secret(sealed, owner=_owner(connection_id), keys=keys).decode()
    except SealBroken as error:
        raise SealBroken(f"{error.message} Or enter the credential of connection {connection_id} again.") from error


def seal_secret(secret: bytes, *, owner: str, keys: Sequence[SealingKey]) -> Sealed:
    """Seal with the first key what opens for this owner only. Raises SealBroken when there is no key."""
    if not keys:
        raise SealBroken("There is no sealing key: set BURSAR_SEALING_KEYS.")
    nonce = os.urandom(NONCE_BYTES)
    return Sealed(keys[0].key_id, nonce, AESGCM(keys[0].key).encrypt(nonce, secret, owner.encode()))


def unseal_secret(sealed: Sealed, *, owner: str, keys: Sequence[SealingKey]) -> bytes:
    """Open with the key that sealed. Raises SealBroken."""
    key = next((key for key in keys if key.key_id == sealed.key_id), None)
    if key is None:
        raise SealBroken(
            f"What {owner} holds was sealed with the key {sealed.key_id!r}, which BURSAR_SEALING_KEYS does not hold: "
            "add that key behind the others."
        )
    try:
        return AESGCM(key.key).decrypt(sealed.nonce, sealed.ciphertext, owner.encode())
    except InvalidTag as error:
        raise SealBroken(
            f"What {owner} holds does not open: the key {key.key_id!r} is another one now, or the row was changed."
        ) from error


def _owner(connection_id: int) -> str:
    return f"bursar.connection:{connection_id}"
