"""Reads fields of a form strictly, as `reading` does members of JSON: in a form everything is text."""

from collections.abc import Collection

from governance.plugin import reading
from governance.plugin.errors import RequestInvalid
from governance.plugin.forms import Form

_LONGEST_NUMBER = 9


def model_name(form: Form) -> str:
    """Return the model that the field `model` names. Raises RequestInvalid."""
    return reading.checked_model(form.text("model"))


def flag(form: Form, name: str) -> bool:
    """Return whether this field is true; it is not where it is missing. Raises RequestInvalid."""
    text = form.text(name)
    if text not in (None, "", "true", "false"):
        raise RequestInvalid(f"The field {name!r} must be true or false.", field=name)
    return text == "true"


def count(form: Form, name: str, largest: int, *, least: int = 1) -> int | None:
    """Return a whole number from `least` to `largest`, None where it is missing. Raises RequestInvalid."""
    text = form.text(name)
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    if not is_number or not least <= int(text) <= largest:
        raise RequestInvalid(f"The field {name!r} must be a whole number from {least} to {largest}.", field=name)
    return int(text)


def unknown(form: Form, known: Collection[str]) -> tuple[str, ...]:
    """Return the names of this form's parts that are not among these."""
    return tuple(sorted({name[:64] for name in form.names if name not in known}))
