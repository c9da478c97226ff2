"""Sealing credentials, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.connections.errors import SealBroken
from governance.connections.sealing import Sealed, seal, unseal
from governance.core.environment import SealingKey
from tests.support.company import SEALING_KEYS

FIRST, SECOND = SEALING_KEYS


@given(st.text(), st.integers(1, 2**63 - 1))
def test_what_is_sealed_opens_again(credential: str, connection_id: int) -> None:
    sealed = seal(credential, connection_id=connection_id, keys=SEALING_KEYS)
    assert unseal(sealed, connection_id=connection_id, keys=SEALING_KEYS) == credential


def test_the_same_credential_never_looks_the_same_twice() -> None:
    one, two = (seal("sk-1", connection_id=1, keys=SEALING_KEYS) for _ in range(2))
    assert one.nonce != two.nonce
    assert one.ciphertext != two.ciphertext
    assert b"sk-1" not in one.ciphertext


def test_a_credential_copied_to_another_connection_does_not_open() -> None:
    sealed = seal("sk-1", connection_id=1, keys=SEALING_KEYS)
    with pytest.raises(SealBroken, match="connection 2"):
        unseal(sealed, connection_id=2, keys=SEALING_KEYS)


def test_the_first_key_seals_and_any_key_opens() -> None:
    old = seal("sk-1", connection_id=1, keys=[FIRST])
    assert seal("sk-1", connection_id=1, keys=[SECOND, FIRST]).key_id == "second"
    assert unseal(old, connection_id=1, keys=[SECOND, FIRST]) == "sk-1"


def test_a_missing_or_exchanged_sealing_key_is_named() -> None:
    sealed = seal("sk-1", connection_id=1, keys=[FIRST])
    with pytest.raises(SealBroken, match=r"'first'.*BURSAR_SEALING_KEYS"):
        unseal(sealed, connection_id=1, keys=[SECOND])
    with pytest.raises(SealBroken, match="another one now"):
        unseal(sealed, connection_id=1, keys=[SealingKey("first", SECOND.key)])
    with pytest.raises(SealBroken, match="no sealing key"):
        seal("sk-1", connection_id=1, keys=[])


@given(st.integers(0, 7), st.integers(0, 19))
def test_a_changed_bit_is_found(bit: int, position: int) -> None:
    sealed = seal("sk-1", connection_id=1, keys=SEALING_KEYS)
    assert len(sealed.ciphertext) == 20
    damaged = bytearray(sealed.ciphertext)
    damaged[position] ^= 1 << bit
    with pytest.raises(SealBroken):
        unseal(Sealed(sealed.key_id, sealed.nonce, bytes(damaged)), connection_id=1, keys=SEALING_KEYS)
