"""Reads JSON of strangers: whatever its shape, it is read, or refused in a sentence that names the field."""

import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from governance.gateway.translation.canonical import ReplyFormat, Verbosity
from governance.plugin.errors import RequestInvalid
from governance.plugin.splicing import Members, refuse_repeated

NULL = msgspec.Raw(b"null")
"""A field that was not given; null says the same."""

_T = TypeVar("_T")
_PATH = re.compile(r" - at `(.*)`\Z", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`(?: - at `|\Z)", re.DOTALL)
_OF_NO_KIND = re.compile(r"(?:Invalid value|Invalid enum value|Expected `null`)")
_FIRST_FIELD = re.compile(r"\$\.([A-Za-z_]\w*)")
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LONGEST_QUOTE = 120


class AnswerUntranslatable(Exception):
    """The vendor's answer cannot be said in the client's wire, or is not what the vendor's wire says."""


class Refused(msgspec.Struct, frozen=True):
    """A field that is refused unless its value, as compact JSON, is one that asks for nothing; `remedy` is a clause."""

    remedy: str
    harmless: frozenset[bytes] = frozenset()


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """The closed list of a wire's top-level request fields. `left_out` says of each why the answer does not need it."""

    carried: frozenset[str]
    left_out: Mapping[str, str]
    refused: Mapping[str, Refused]

    def check(self, members: Members) -> None:
        """Raise RequestInvalid for a field that cannot be said, and for a name that stands twice anywhere."""
        for name, raw in members.values.items():
            value = bytes(raw)
            if name in self.carried:
                if value[:1] in (b"{", b"["):
                    refuse_repeated(value, field=name)
            elif (rule := self.refused.get(name)) is not None:
                if value != b"null" and value not in rule.harmless:
                    raise unsayable(name, rule.remedy)
            elif name not in self.left_out:
                raise unsayable(
                    name[:_LONGEST_QUOTE], "it is not a field of this API's that Bursar translates; remove it"
                )


def unsayable(field: str, remedy: str, *, within: str | None = None) -> RequestInvalid:
    """Return the refusal of what the vendor's wire has no words for. `within` is the top-level field that holds it."""
    return RequestInvalid(
        f"The field {field!r} cannot be said to this model's vendor: {remedy}.", field=within or field
    )


def decoded(raw: msgspec.Raw | bytes, decoder: msgspec.json.Decoder[_T], *, field: str | None = None) -> _T:
    """Decode a part of a request. Raises RequestInvalid, which names `field`, or else the field at fault."""
    try:
        return decoder.decode(raw)
    except RecursionError as error:
        raise RequestInvalid("The request is nested too deeply: send flatter JSON.", field=field) from error
    except UnicodeDecodeError as error:
        raise RequestInvalid("The request body is not UTF-8: send JSON in UTF-8.", field=field) from error
    except msgspec.ValidationError as error:
        raise _invalid(str(error), field) from error
    except msgspec.DecodeError as error:
        raise RequestInvalid(f"The request body is not JSON: {error}.", field=field) from error


def answered(raw: msgspec.Raw | bytes, decoder: msgspec.json.Decoder[_T]) -> _T:
    """Decode a part of a vendor's answer. Raises AnswerUntranslatable."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerUntranslatable(
            f"The vendor's answer is not what its API promises, and cannot be translated: {error}."
        ) from error


def counted(raw: msgspec.Raw, decoder: msgspec.json.Decoder[_T]) -> _T | None:
    """Decode usage for the client's eyes; None where there is none or it cannot be read, which fails no answer: what is
    billed is read elsewhere, strictly.
    """
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def given(raw: msgspec.Raw) -> msgspec.Raw | None:
    """Return the field's JSON, or None if it was not given."""
    return None if bytes(raw) == b"null" else raw


def is_object(text: str | bytes) -> bool:
    """Return whether this is the JSON of an object."""
    try:
        _object.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def refuse_description(asked: ReplyFormat | None) -> None:
    """Raise RequestInvalid when a reply format is described beside its schema, which only the chat wire can."""
    if asked is not None and asked.description is not None:
        raise unsayable("description", "write it into the schema", within="response_format")


def unless_usual(asked: Verbosity | None) -> Verbosity | None:
    """Return how long the answer is to be, or None where that is as long as usual, which asks for nothing."""
    return None if asked == "medium" else asked


def refuse_verbosity(asked: Verbosity | None) -> None:
    """Raise RequestInvalid when the length of the answer is asked for, which only OpenAI's wires can."""
    if asked is not None:
        raise unsayable("verbosity", "ask for the length in the messages")


def _invalid(message: str, field: str | None) -> RequestInvalid:
    """Turn msgspec's words into a sentence: what is unknown has no words in the other wire, the rest is a mistake."""
    found = _PATH.search(message)
    path = found[1] if found else "$"
    first = _FIRST_FIELD.match(path)
    name = field or (first[1] if first else None)
    what = f"The field {name!r}" if name else "The request"
    if unknown := _UNKNOWN.match(message):
        place = "" if path == "$" else f" (at {path})"
        return RequestInvalid(
            f"The field {unknown[1][:_LONGEST_QUOTE]!r}{place} cannot be said to this model's vendor: remove it.",
            field=name or unknown[1][:_LONGEST_QUOTE],
        )
    if _OF_NO_KIND.match(message):
        return RequestInvalid(f"{what} holds what cannot be said to this model's vendor: {message}.", field=name)
    return RequestInvalid(f"{what} is not what the API takes: {message}.", field=name)
