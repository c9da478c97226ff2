"""The text of a key: made, read, checked, without a database."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from governance.keys.errors import KeyTextInvalid
from governance.keys.secret import KeySecretText, make_secret, parse_secret

PEPPER = b"p" * 32


def test_a_key_reads_back_as_it_was_made() -> None:
    made = make_secret()
    assert parse_secret(made.text()) == made


def test_no_two_keys_are_alike() -> None:
    assert len({make_secret().text() for _ in range(200)}) == 200


def test_a_key_has_256_random_bits_and_no_separator_in_its_parts() -> None:
    made = make_secret()
    assert len(made.text()) == 67
    assert len(made.secret) == 43
    assert 62**43 > 2**256
    assert made.text().count("_") == 3


@given(st.integers(0, 66), st.characters(codec="ascii"))
def test_a_typing_error_anywhere_is_found_without_the_database(position: int, sign: str) -> None:
    text = make_secret().text()
    assume(text[position] != sign)
    with pytest.raises(KeyTextInvalid):
        parse_secret(text[:position] + sign + text[position + 1 :])


@given(st.text())
def test_nothing_else_is_taken_for_a_key(text: str) -> None:
    with pytest.raises(KeyTextInvalid):
        parse_secret(text)


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1], lambda text: text + "\n", lambda text: " " + text, str.upper]
)
def test_a_key_that_was_copied_badly_is_refused_without_being_repeated(change: "type[str]") -> None:
    made = make_secret()
    with pytest.raises(KeyTextInvalid) as refusal:
        parse_secret(change(made.text()))
    assert made.secret not in refusal.value.message


def test_only_the_right_secret_under_the_right_pepper_fits_a_digest() -> None:
    made, other = make_secret(), make_secret()
    digest = made.digest(pepper=PEPPER)
    assert len(digest) == 32
    assert made.matches(digest, pepper=PEPPER)
    assert not other.matches(digest, pepper=PEPPER)
    assert not made.matches(digest, pepper=b"q" * 32)


def test_a_digest_moved_to_another_public_id_does_not_fit() -> None:
    made = make_secret()
    moved = KeySecretText(make_secret().public_id, made.secret)
    assert not moved.matches(made.digest(pepper=PEPPER), pepper=PEPPER)


def test_a_secret_does_not_show_when_printed() -> None:
    made = make_secret()
    assert made.secret not in repr(made)
