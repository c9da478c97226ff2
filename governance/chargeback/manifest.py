"""The manifest of a closed month: every file with its digest, who reviewed and closed it, and the total. Pure.

The same month gives the same bytes: nothing in it depends on when or where it is made.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from governance.core.money import usd_text

if TYPE_CHECKING:
    from governance.chargeback.models import MonthClose, Statement

VERSION = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The file, JSON in UTF-8, and its SHA-256."""

    content: bytes
    sha256: str


def file_names(statements: "Sequence[Statement]") -> list[str]:
    """Return a name for each statement's file: its own, with the cost centre's id where two codes make the same."""
    own = [statement.file_name for statement in statements]
    return [
        name if own.count(name) == 1 else f"{name.removesuffix('.csv')}-{statement.cost_centre_id}.csv"
        for name, statement in zip(own, statements, strict=True)
    ]


def make_manifest(*, close: "MonthClose", statements: "Sequence[Statement]") -> Manifest:
    """Return the manifest of a month that is closed now. `statements` by the cost centre's code."""
    said = {
        "format": f"bursar month manifest {VERSION}",
        "organisation": close.organisation.name,
        "month": f"{close.month:%Y-%m}",
        "zone": close.organisation.zone,
        "currency": "USD",
        "total": usd_text(close.total_nano or 0),
        "begun": {"by": close.begun_by, "at": close.begun_at.isoformat(), "reason": close.reason},
        "reviewed": {"by": close.reviewed_by, "at": close.reviewed_at.isoformat() if close.reviewed_at else ""},
        "closed": {"by": close.closed_by, "at": close.closed_at.isoformat() if close.closed_at else ""},
        "findings": close.findings,
        "files": [
            {
                "name": name,
                "cost_centre": statement.cost_centre.code,
                "version": statement.version,
                "total": usd_text(statement.total_nano),
                "sha256": statement.sha256,
            }
            for name, statement in zip(file_names(statements), statements, strict=True)
        ],
    }
    content = msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"
    return Manifest(content=content, sha256=hashlib.sha256(content).hexdigest())
