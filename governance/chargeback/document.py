"""A statement as a file: pure, from what was booked to the bytes. The same facts give the same bytes.

The sum of the column `Cost (USD)` is the statement's total: there is no total row that a reader could add twice.
"""

import hashlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import msgspec

from governance.chargeback.errors import StatementUnbalanced
from governance.core.csv_text import Cell, csv_bytes
from governance.core.money import exact_sum, usd_text
from governance.ledger.monthly import CostCentreMonth, StatementFact
from governance.plugin.usage import TokenClass

HEADER = (
    "Month",
    "Cost centre",
    "Cost centre name",
    "Line",
    "Team",
    "Virtual key",
    "Virtual key ID",
    "Vendor",
    "Model",
    "What was used",
    "Quantity",
    "Unit",
    "Cost (USD)",
)

_WORDS = {
    TokenClass.INPUT: ("Input tokens", "token"),
    TokenClass.CACHE_READ: ("Input tokens read from cache", "token"),
    TokenClass.CACHE_READ_EXPLICIT: ("Input tokens read from a cache that was asked for", "token"),
    TokenClass.CACHE_WRITE: ("Input tokens written to cache", "token"),
    TokenClass.CACHE_WRITE_LONG: ("Input tokens written to long-lived cache", "token"),
    TokenClass.INPUT_AUDIO: ("Audio input tokens", "token"),
    TokenClass.INPUT_IMAGE: ("Image input tokens", "token"),
    TokenClass.OUTPUT: ("Output tokens", "token"),
    TokenClass.REASONING: ("Reasoning output tokens", "token"),
    TokenClass.OUTPUT_AUDIO: ("Audio output tokens", "token"),
    TokenClass.OUTPUT_IMAGE: ("Image output tokens", "token"),
    TokenClass.REQUEST: ("Request fees", "request"),
    TokenClass.WEB_SEARCH: ("Web searches", "search"),
    TokenClass.IMAGE: ("Images made", "image"),
    TokenClass.CHARACTER: ("Characters spoken", "character"),
    TokenClass.AUDIO_SECOND: ("Seconds of audio written down", "second"),
    TokenClass.OWN_ACCOUNT: ("Not charged: paid through an own account at the vendor", "call"),
    TokenClass.FROM_CACHE: ("Not charged: answered from the response cache", "call"),
}
_ORDER = {str(token_class): position for position, token_class in enumerate(_WORDS)}
_ROUNDING = "Rounding: each call is charged in whole nano-USD, rounded up"
_NO_USAGE = "Nothing was used in this month"


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """Whose statement it is."""

    month: date
    cost_centre: str
    cost_centre_name: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The file and what identifies it. `facts_sha256` does not depend on names, which may change later."""

    content: bytes
    sha256: str
    facts_sha256: str
    total_nano: int


def make_document(*, heading: Heading, booked: CostCentreMonth) -> Document:
    """Return the statement. Raises StatementUnbalanced when usage records and postings disagree."""
    total = booked.charged_nano + sum(adjustment.amount_nano for adjustment in booked.adjustments)
    if total != booked.posted_nano:
        raise StatementUnbalanced(
            f"The statement of {heading.cost_centre} for {heading.month:%Y-%m} adds up to {usd_text(total)} USD, but "
            f"the ledger holds {usd_text(booked.posted_nano)} USD: `bursar ledger prove` names the entries at fault."
        )
    rows = list(_rows(heading, booked))
    content = csv_bytes(HEADER, rows)
    return Document(
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        facts_sha256=_facts_digest(heading, booked),
        total_nano=total,
    )


def _rows(heading: Heading, booked: CostCentreMonth) -> Iterator[tuple[Cell, ...]]:
    whose = (f"{heading.month:%Y-%m}", heading.cost_centre, heading.cost_centre_name)
    billed = [fact for fact in booked.facts if fact.quantity or fact.cost_nano]
    for fact in sorted(billed, key=_position):
        yield (*whose, *_usage_cells(fact))
    for adjustment in sorted(booked.adjustments, key=lambda adjustment: adjustment.entry_id):
        words = f"{adjustment.kind}: {adjustment.reason}" if adjustment.reason else adjustment.kind
        yield (*whose, "Adjustment", "", "", "", "", "", words, "", "", _exact_usd(adjustment.amount_nano))
    rounding = exact_sum([Decimal(booked.charged_nano), *(fact.cost_nano.copy_negate() for fact in booked.facts)])
    if rounding:
        yield (*whose, "Rounding", "", "", "", "", "", _ROUNDING, "", "", _exact_usd(rounding))
    if not billed and not booked.adjustments and not rounding:
        yield (*whose, "No usage", "", "", "", "", "", _NO_USAGE, 0, "", Decimal("0.00"))


def _usage_cells(fact: StatementFact) -> tuple[Cell, ...]:
    words, unit = _words(fact.token_class)
    named = (fact.team, fact.key, fact.key_id, fact.provider, fact.model)
    return (
        "Correction" if fact.is_correction else "Usage",
        *named,
        words,
        fact.quantity,
        unit,
        _exact_usd(fact.cost_nano),
    )


def _exact_usd(nano: Decimal | int) -> Decimal:
    return Decimal(usd_text(nano))


def _words(token_class: str) -> tuple[str, str]:
    return _WORDS[TokenClass(token_class)] if token_class in _ORDER else (token_class, "unit")


def _position(fact: StatementFact) -> tuple[object, ...]:
    order = _ORDER.get(fact.token_class, len(_ORDER))
    names = (fact.team, fact.team_id, fact.key, fact.key_id, fact.provider, fact.model, fact.model_id)
    return (*names, order, fact.token_class, fact.is_correction)


def _facts_digest(heading: Heading, booked: CostCentreMonth) -> str:
    facts = sorted(
        (fact.team_id, fact.key_id, fact.model_id, fact.token_class, fact.quantity, usd_text(fact.cost_nano))
        + (("correction",) if fact.is_correction else ())
        for fact in booked.facts
        if fact.quantity or fact.cost_nano
    )
    adjustments = sorted((item.entry_id, item.kind, item.reason, item.amount_nano) for item in booked.adjustments)
    return hashlib.sha256(msgspec.json.encode([heading.month, facts, adjustments, booked.charged_nano])).hexdigest()
