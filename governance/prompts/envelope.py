"""Sealing what is stored: AES-256-GCM under the team's data key, with team and request as associated data. Pure.

A row that is copied to another request or team does not open. The data key is kept sealed as vendors' credentials are
(`connections/sealing.py`), so that to forget it is to forget all that it sealed.
"""

import os
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.connections.errors import SealBroken
from governance.connections.sealing import NONCE_BYTES

DATA_KEY_BYTES = 32


class Conversation(msgspec.Struct, frozen=True, array_like=True):
    """A request's body as it went to a vendor, and the reply's as its client got it."""

    request: bytes
    reply: bytes


def make_data_key() -> bytes:
    """Return a new data key."""
    return os.urandom(DATA_KEY_BYTES)


def data_key_owner(*, team_id: int, data_key_id: UUID) -> str:
    """Name the row that a sealed data key opens in."""
    return f"bursar.prompts:{team_id}:{data_key_id}"


def seal_conversation(
    conversation: Conversation, *, data_key: bytes, team_id: int, request_id: UUID
) -> tuple[bytes, bytes]:
    """Return nonce and ciphertext."""
    nonce = os.urandom(NONCE_BYTES)
    plain = msgspec.msgpack.encode(conversation)
    return nonce, AESGCM(data_key).encrypt(nonce, plain, _associated(team_id, request_id))


def open_conversation(
    ciphertext: bytes, *, nonce: bytes, data_key: bytes, team_id: int, request_id: UUID
) -> Conversation:
    """Open it again. Raises SealBroken."""
    try:
        plain = AESGCM(data_key).decrypt(nonce, ciphertext, _associated(team_id, request_id))
    except InvalidTag as error:
        raise SealBroken(f"What is stored of the request {request_id} does not open: its row was changed.") from error
    return msgspec.msgpack.decode(plain, type=Conversation)


def _associated(team_id: int, request_id: UUID) -> bytes:
    return f"bursar.prompt:{team_id}:{request_id}".encode()
