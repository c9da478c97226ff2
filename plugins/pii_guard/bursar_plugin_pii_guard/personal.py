"""Personal data that can be told by its form and, where there is one, by its check digit.

A pattern finds candidates and a library judges them: python-stdnum numbers with check digits, phonenumbers what is a
number in a country's plan. Names, addresses and whatever else only a language model would know are not found. Every
pattern is of bounded width, so that a text is passed over in time that grows with its length.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import phonenumbers
from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.us import ssn

from governance.plugin import Finding

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}\Z")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}(?![A-Za-z0-9-])")
_LONGEST_LOCAL_PART: Final = 64
_SEPARATOR = re.compile(r"[ ./()-]+")


class _Number(NamedTuple):
    kind: str
    candidate: re.Pattern[str]
    is_valid: Callable[[str], bool]


def _is_card(candidate: str) -> bool:
    """ISO/IEC 7812: what card schemes use of it, by the first digit, with Luhn's check digit."""
    digits = re.sub(r"[ -]", "", candidate)
    lengths = {"2": (16,), "3": (14, 15, 16), "4": (13, 16, 19), "5": (16,), "6": (16, 17, 18, 19)}
    return len(digits) in lengths.get(digits[0], ()) and luhn.is_valid(digits)


def _is_phone(candidate: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(candidate))
    except phonenumbers.NumberParseException:
        return False


# A lookbehind stands after the first character: that one is searched for much faster.
_GROUPED_CARD = r"\d{3}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{3}([ -])\d{6}\2\d{4,5}"
_NUMBERS: Final = (
    _Number("card number", re.compile(rf"\d(?<![\w.-]\d)(?:\d{{12,18}}|{_GROUPED_CARD})(?![\w-])"), _is_card),
    _Number(
        "IBAN",
        re.compile(r"[A-Z](?<![A-Za-z0-9].)[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"),
        iban.is_valid,
    ),
    _Number("phone number", re.compile(r"\+(?<![\w+].)\d(?:[ ./()-]{0,2}\d){6,16}(?!\d)"), _is_phone),
    _Number("social security number", re.compile(r"\d(?<![\w-].)\d{2}-\d{2}-\d{4}(?![\w-])"), ssn.is_valid),
    _Number("identity number", re.compile(r"\d(?<!\w.)\d{7}-?[A-Z](?!\w)"), dni.is_valid),
    _Number("identity number", re.compile(r"[XYZ](?<!\w.)-?\d{7}-?[A-Z](?!\w)"), nie.is_valid),
    _Number("identity number", re.compile(r"[12](?<!\w.)(?: ?\d){5} ?[\dAB](?: ?\d){8}(?!\w)"), nir.is_valid),
    _Number(
        "identity number",
        re.compile(r"[A-Z](?<!\w.)[A-Z]{5}[0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z](?!\w)"),
        codicefiscale.is_valid,
    ),
    _Number("identity number", re.compile(r"\d(?<![\w.-].)\d{2}\.\d{3}\.\d{3}-\d{2}(?!\w)"), cpf.is_valid),
)


class PersonalDataGuard:
    """The guard `personal`."""

    name = "personal"
    title = "E-mail addresses; card, bank account, phone and identity numbers"

    def find(self, text: str) -> Sequence[Finding]:
        """See Guard."""
        return [*_addresses(text), *(finding for number in _NUMBERS for finding in _numbers(text, number))]


def _addresses(text: str) -> Iterator[Finding]:
    """Begin at each @, so that a long run of letters is not looked at from each of them."""
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        local = _LOCAL_PART.search(text, max(0, at - _LONGEST_LOCAL_PART), at) if domain is not None else None
        if domain is not None and local is not None:
            yield Finding(local.start(), domain.end(), "e-mail address")
        at = text.find("@", at + 1)


def _numbers(text: str, number: _Number) -> Iterator[Finding]:
    for match in number.candidate.finditer(text):
        length = _valid_length(match[0], number.is_valid)
        if length:
            yield Finding(match.start(), match.start() + length, number.kind)


def _valid_length(candidate: str, is_valid: Callable[[str], bool]) -> int:
    """Return how much of the candidate is a number: all of it, or what is left without its last groups; 0 if nothing.

    What follows a number after a space may look like more of it.
    """
    ends = [match.start() for match in _SEPARATOR.finditer(candidate)]
    for end in (len(candidate), *reversed(ends)):
        if is_valid(candidate[:end]):
            return end
    return 0
