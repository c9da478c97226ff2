"""Protobuf messages as JSON: every field has two spellings, and a vendor's parser takes either.

So a cap that is read under one spelling could be lifted under the other. What governs the cost is read here under its
one name, whichever spelling was sent; two at once are refused, and so is a field that nobody here knows, because its
cost is not known either.
"""

import json
import re
from collections.abc import Iterable

from governance.plugin.errors import RequestInvalid

_CAPITAL = re.compile(r"[A-Z]")


class Message:
    """The known fields of one protobuf message, by their names in camel case; `title` is what a refusal calls it."""

    def __init__(self, title: str, *names: str) -> None:
        self._title = title
        self._spelt = {spelling: name for name in names for spelling in (name, _snake(name))}
        self._folded = {_fold(name): name for name in names}

    def spellings(self, sent: Iterable[str], *, field: str | None = None) -> dict[str, str]:
        """Return how each field that was sent is spelt, by its name. Raises RequestInvalid.

        `field` is the top-level field that the message stands in; None where the message is the request itself.
        """
        found: dict[str, str] = {}
        for spelling in sent:
            name = self._spelt.get(spelling)
            if name is None:
                raise self._unknown(spelling, field)
            if name in found:
                raise RequestInvalid(
                    f"The field {name!r} of {self._title} stands twice, as {found[name]!r} and as {spelling!r}: "
                    "send it once.",
                    field=field or spelling,
                )
            found[name] = spelling
        return found

    def _unknown(self, spelling: str, field: str | None) -> RequestInvalid:
        shown = spelling[:64]
        meant = self._folded.get(_fold(spelling))
        remedy = f"spell it {meant!r}" if meant else "remove it"
        return RequestInvalid(
            f"The field {shown!r} of {self._title} is not known here, and so neither is what it costs: {remedy}.",
            field=field or shown,
        )


def tree(raw: bytes, *, field: str) -> object:
    """Return this JSON, known to be valid, with all numbers as text. Raises RequestInvalid when a name stands twice in
    one object, or when it is nested too deeply.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            repeated = next(name for name in names if names.count(name) > 1)
            raise RequestInvalid(
                f"The field {repeated[:64]!r} stands twice in an object of {field!r}: send it once.", field=field
            )
        return found

    try:
        return json.loads(raw, object_pairs_hook=once, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise RequestInvalid(f"The field {field!r} is nested too deeply: send flatter JSON.", field=field) from error


def messages(value: object, *, field: str, form: str) -> list[dict[str, object]]:
    """Return a repeated field's messages: the API takes a single one without its array, and null for none.

    `form` says what they are. Raises RequestInvalid.
    """
    if value is None:
        return []
    sent = value if isinstance(value, list) else [value]
    found = [item for item in sent if isinstance(item, dict)]
    if len(found) < len(sent):
        raise RequestInvalid(f"The field {field!r} must be {form}.", field=field)
    return found


def is_set(value: object) -> bool:
    """Return whether a field's value differs from what it is when it is left out."""
    return value is not None and value is not False and value not in ("", "0", [], {})


def _snake(name: str) -> str:
    return _CAPITAL.sub(lambda letter: f"_{letter[0].lower()}", name)


def _fold(name: str) -> str:
    return name.replace("_", "").lower()
