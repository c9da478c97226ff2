"""What the pages of months show: where each stands, what stands against closing it, and its statements."""

from dataclasses import dataclass
from datetime import date, datetime

from governance.chargeback.closing import TIME_FOR_LATE_CALLS, final_statements, needs_second_person
from governance.chargeback.findings import Finding, look
from governance.chargeback.models import MonthClose, Statement
from governance.chargeback.queries import closes_of, months_of
from governance.core.months import month_period
from governance.viewing.viewer import Viewer

_STATES = {
    MonthClose.State.CLOSING: "near",
    MonthClose.State.REVIEWED: "near",
    MonthClose.State.CLOSED: "good",
}


@dataclass(frozen=True, kw_only=True)
class MonthLine:
    """One month; `close` is None while it is open."""

    month: date
    close: MonthClose | None
    is_over: bool

    @property
    def words(self) -> str:
        """Where it stands."""
        if self.close is None:
            return "open, over" if self.is_over else "running"
        return str(self.close.state)

    @property
    def state(self) -> str:
        """The badge's."""
        return _STATES[MonthClose.State(self.close.state)] if self.close is not None else ""


@dataclass(frozen=True, kw_only=True)
class MonthPage:
    """One month in detail. `findings` are those of now while it is open, and those that were kept after that."""

    month: date
    line: MonthLine
    findings: tuple[Finding, ...]
    statements: list[Statement]
    total_nano: int
    needs_second_person: bool
    can_begin_at: datetime

    @property
    def is_blocked(self) -> bool:
        """Whether no reason helps."""
        return any(finding.is_blocking for finding in self.findings)


def month_lines(*, viewer: Viewer, now: datetime) -> list[MonthLine]:
    """Return the months from the first in which anything is booked, the newest first."""
    closes = {close.month: close for close in closes_of(organisation=viewer.organisation)}
    months = sorted({*months_of(organisation=viewer.organisation, at=now), *closes}, reverse=True)
    return [_line(viewer, month, closes.get(month), now) for month in months]


def month_page(*, viewer: Viewer, month: date, now: datetime) -> MonthPage | None:
    """Return one of them, or None."""
    line = next((each for each in month_lines(viewer=viewer, now=now) if each.month == month), None)
    if line is None:
        return None
    organisation = viewer.organisation
    statements = final_statements(organisation=organisation, month=month)
    return MonthPage(
        month=month,
        line=line,
        findings=look(organisation=organisation, month=month, at=now) if line.close is None else _kept(line.close),
        statements=statements,
        total_nano=sum(statement.total_nano for statement in statements),
        needs_second_person=needs_second_person(organisation=organisation),
        can_begin_at=month_period(month, zone=organisation.zone).ends_at + TIME_FOR_LATE_CALLS,
    )


def _line(viewer: Viewer, month: date, close: MonthClose | None, now: datetime) -> MonthLine:
    ends_at = month_period(month, zone=viewer.organisation.zone).ends_at + TIME_FOR_LATE_CALLS
    return MonthLine(month=month, close=close, is_over=now >= ends_at)


def _kept(close: MonthClose) -> tuple[Finding, ...]:
    return tuple(Finding(**finding) for finding in close.findings)
