"""What finance finds in the company of the console's demo: last month's statements, and how far its closing is."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from governance.chargeback.document import HEADER
from governance.chargeback.models import MonthClose, Statement
from governance.core.csv_text import csv_bytes
from governance.core.money import usd_decimal

if TYPE_CHECKING:
    from tests.console.demo import Company


def leave_statements(company: Company, *, now: datetime) -> int:
    """Write last month's statements, and return the id of one."""
    month = (now.replace(day=1) - timedelta(days=1)).date().replace(day=1)
    _begin_to_close(company, month, now=now)
    for number, team in enumerate(company.teams.values()):
        total_nano = (number + 3) * 17_345_678_901
        centre = team.cost_centre
        named = (f"{month:%Y-%m}", centre.code, centre.name)
        line = ("Usage", team.name, "robot", 7, "sandbox", "falcon-large", "Output tokens", 1000, "token")
        content = csv_bytes(HEADER, [(*named, *line, usd_decimal(total_nano))])
        statement = Statement.objects.create(
            organisation=company.organisation,
            cost_centre=centre,
            month=month,
            total_nano=total_nano,
            content=content,
            sha256=hashlib.sha256(content).hexdigest(),
        )
    return statement.pk


def _begin_to_close(company: Company, month: date, *, now: datetime) -> None:
    """Last month was reviewed, with something that stood against it, and waits for somebody to close it."""
    MonthClose.objects.create(
        organisation=company.organisation,
        month=month,
        state=MonthClose.State.REVIEWED,
        findings=[
            {
                "code": "suspense",
                "sentence": "2 calls of the month have an unknown outcome and hold 1.25 USD: settle them, or what they "
                "cost is booked in a later month.",
                "count": 2,
                "nano": 1_250_000_000,
                "is_blocking": False,
            }
        ],
        reason="The vendor answers within a week.",
        begun_by=company.person("finance").email,
        begun_at=now - timedelta(hours=5),
        written_at=now - timedelta(hours=5),
        reviewed_by=company.person("finance").email,
        reviewed_at=now - timedelta(hours=4),
    )
