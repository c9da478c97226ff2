"""Reads members of a request strictly: a doubtful value is refused with a sentence that names its field."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from governance.plugin.errors import RequestInvalid
from governance.plugin.splicing import refuse_repeated

MAX_MODEL_CHARACTERS: Final = 256
OFF: Final = frozenset({b"", b"null", b"false", b"[]", b"{}"})
"""Values by which a client that writes every field says that it does not want one."""

_CHOOSERS: Final = ("models", "route", "fallbacks", "preset", "provider")
"""Fields of routers by which the vendor, and not the client, chooses the model or whose price is asked."""
_SPELT_LETTER: Final = re.compile(rb"\\u00[4-7]")

_string = msgspec.json.Decoder(str | None)
_integer = msgspec.json.Decoder(int | None)
_anything = msgspec.json.Decoder()


def value(values: Mapping[str, msgspec.Raw], name: str, decoder: msgspec.json.Decoder[Any], form: str) -> Any:
    """Return the decoded value of this field, None where it is missing. Raises RequestInvalid: it must be `form`."""
    raw = values.get(name)
    if raw is None:
        return None
    return decoded(raw, name, decoder, form)


def decoded(raw: msgspec.Raw, name: str, decoder: msgspec.json.Decoder[Any], form: str) -> Any:
    """Return this value of the field decoded. Raises RequestInvalid: it must be `form`."""
    return typed(plain(raw), name, decoder, form)


def typed(raw: msgspec.Raw | bytes, name: str, decoder: msgspec.json.Decoder[Any], form: str) -> Any:
    """Return what `decoded` does, of a value whose names are known to be spelt plainly."""
    try:
        return decoder.decode(raw)
    except RecursionError as error:
        raise RequestInvalid(f"The field {name!r} is nested too deeply: send flatter JSON.", field=name) from error
    except msgspec.DecodeError as error:
        raise RequestInvalid(f"The field {name!r} must be {form} ({error}).", field=name) from error


def plain(raw: msgspec.Raw) -> msgspec.Raw | bytes:
    """Undo `\\u0061` spellings of letters, which a typed reader does not see in the names of nested fields."""
    if has_spelt_letters(bytes(raw)):
        return msgspec.json.encode(_anything.decode(raw))
    return raw


def respelt(values: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """Return these members with every letter spelt plainly. Raises RequestInvalid where a name stands twice in them,
    which nobody could tell any more afterwards.
    """
    for name, raw in values.items():
        refuse_repeated(bytes(raw), field=name)
    return {name: msgspec.Raw(msgspec.json.encode(_anything.decode(raw))) for name, raw in values.items()}


def has_spelt_letters(text: bytes) -> bool:
    """Return whether a letter may be spelt as `\\u0061`, so that no name in this JSON can be found by its letters."""
    return b"\\u00" in text and _SPELT_LETTER.search(text) is not None


def count(values: Mapping[str, msgspec.Raw], name: str, largest: int) -> int | None:
    """Return a whole number from 1 to `largest`, None where it is missing. Raises RequestInvalid."""
    form = f"a whole number from 1 to {largest}"
    number = value(values, name, _integer, form)
    if number is not None and not 1 <= number <= largest:
        raise RequestInvalid(f"The field {name!r} must be {form}.", field=name)
    return None if number is None else int(number)


def model_name(values: Mapping[str, msgspec.Raw]) -> str:
    """Return the model that the field `model` names. Raises RequestInvalid."""
    return checked_model(value(values, "model", _string, "a string"))


def checked_model(model: str | None) -> str:
    """Return the name of a model if it is one. Raises RequestInvalid."""
    if not model:
        raise RequestInvalid("The request names no model: set the field 'model'.", field="model")
    if len(model) > MAX_MODEL_CHARACTERS:
        raise RequestInvalid(
            f"The model name is longer than {MAX_MODEL_CHARACTERS} characters: send a model's name.", field="model"
        )
    return model


def is_set(raw: msgspec.Raw) -> bool:
    """Return whether this value asks for anything."""
    return bytes(raw) not in OFF


def refuse_choosers(values: Mapping[str, msgspec.Raw]) -> None:
    """Raise RequestInvalid where the vendor, and not the client, would choose the model or whose price is asked."""
    if (name := first_set(values, _CHOOSERS)) is not None:
        raise RequestInvalid(
            f"The field {name!r} would let the vendor choose another model or price: remove it and name one model.",
            field=name,
        )


def refuse_stored(values: Mapping[str, msgspec.Raw], names: Iterable[str]) -> None:
    """Raise RequestInvalid where one of these fields brings in what is not in the request."""
    if (name := first_set(values, names)) is not None:
        raise RequestInvalid(
            f"The field {name!r} brings in what is not in the request, so that nothing bounds its cost: remove it "
            "and send the whole conversation.",
            field=name,
        )


def first_set(values: Mapping[str, msgspec.Raw], names: Iterable[str]) -> str | None:
    """Return the first of these fields that asks for anything."""
    return next((name for name in names if name in values and is_set(values[name])), None)
