"""What of a credential must not be shown to anybody, whoever repeats it."""

from typing import Final

import msgspec

_SHORTEST: Final = 6
"""Shorter ones are placeholders of local servers ("none"), which would be found in innocent words."""

_texts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


def secrets_of(credential: str) -> tuple[str, ...]:
    """Return the credential and, where it is a JSON object, every text in it: a vendor repeats one, not all of it."""
    return tuple(text for text in (credential, *_parts(credential)) if len(text) >= _SHORTEST)


def _parts(credential: str) -> list[str]:
    if not credential.startswith("{"):
        return []
    try:
        values = [bytes(value) for value in _texts.decode(credential).values()]
        return [_text.decode(value) for value in values if value.startswith(b'"')]
    except msgspec.DecodeError:
        return []
