"""A month's spend added up by team, key and model: pure, exact."""

from collections.abc import Callable, Hashable, Iterable
from datetime import date
from decimal import Decimal

import msgspec

from governance.core.money import exact_sum
from governance.ledger.monthly import Spend


class ReportLine(msgspec.Struct, frozen=True, kw_only=True):
    """Calls, tokens and money of one team, key or model; or of all. `id` is None for the total.

    `cost_nano` is what the vendors charge, exactly; `charge_nano` what is booked, each attempt rounded up.
    """

    id: int | None
    name: str
    requests: int
    input_tokens: int
    output_tokens: int
    cost_nano: Decimal
    charge_nano: int


class MonthlyReport(msgspec.Struct, frozen=True, kw_only=True):
    """One month; each list is sorted by what was charged, dearest first."""

    month: date
    teams: tuple[ReportLine, ...]
    keys: tuple[ReportLine, ...]
    models: tuple[ReportLine, ...]
    total: ReportLine


def make_report(month: date, spend: Iterable[Spend]) -> MonthlyReport:
    """Return the report of these rows."""
    rows = list(spend)
    return MonthlyReport(
        month=month,
        teams=_grouped(rows, lambda row: (row.team_id, row.team)),
        keys=_grouped(rows, lambda row: (row.key_id, row.key)),
        models=_grouped(rows, lambda row: (row.model_id, row.model)),
        total=_line(None, "Total", rows),
    )


def _grouped(rows: list[Spend], named: Callable[[Spend], tuple[int, str]]) -> tuple[ReportLine, ...]:
    groups: dict[Hashable, list[Spend]] = {}
    for row in rows:
        groups.setdefault(named(row), []).append(row)
    lines = [_line(*named(group[0]), group) for group in groups.values()]
    return tuple(sorted(lines, key=lambda line: (-line.charge_nano, line.name, line.id or 0)))


def _line(identity: int | None, name: str, rows: list[Spend]) -> ReportLine:
    return ReportLine(
        id=identity,
        name=name,
        requests=sum(row.requests for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost_nano=exact_sum(row.cost_nano for row in rows),
        charge_nano=sum(row.charge_nano for row in rows),
    )
