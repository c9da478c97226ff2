"""Closing a month: open -> closing -> reviewed -> closed. What is closed never changes; what comes late goes elsewhere.

While a month is *closing* nothing is booked in it any more, its statements are written, and people look at them; until
it is closed it can be opened again. *Reviewed* says who looked, *closed* who signed: where the organisation wants it,
two people. The manifest names every file of the month with its digest, and its own digest stands in the audit trail.
"""

from datetime import date, datetime, timedelta

import msgspec
import structlog
from django.db import transaction

from governance.audit.operations import Actor, record
from governance.chargeback.errors import (
    MonthNotFound,
    MonthNotOver,
    MonthNotReady,
    MonthNotWritten,
    SecondPersonNeeded,
    StatementUnbalanced,
)
from governance.chargeback.findings import Finding, look
from governance.chargeback.manifest import make_manifest
from governance.chargeback.models import CloseRules, MonthClose, Statement
from governance.chargeback.operations import write_statements
from governance.core.money import usd_text
from governance.core.months import month_after, month_period
from governance.ledger import operations as ledger
from governance.ledger.monthly import first_month, month_expense_nano
from governance.teams.models import Organisation

TIME_FOR_LATE_CALLS = timedelta(hours=1)
"""So long after a month's end calls that were admitted in it may still be settled."""

_WRITER = Actor(name="task:write_closing_month")
_LONGEST_TROUBLE = 500
_log = structlog.get_logger(__name__)


@transaction.atomic
def begin_close(*, actor: Actor, organisation: Organisation, month: date, at: datetime, reason: str = "") -> MonthClose:
    """Book nothing in the month any more, and have its statements written. `reason` says why it goes on in spite of
    what was found.

    Raises MonthNotOver, MonthNotReady (with what was found), BooksBusy.
    """
    period = month_period(month, zone=organisation.zone)
    if at < period.ends_at + TIME_FOR_LATE_CALLS:
        raise MonthNotOver(
            f"{month:%Y-%m} can be closed from {period.ends_at + TIME_FOR_LATE_CALLS:%Y-%m-%d %H:%M} UTC on: an hour "
            f"after it ends in {organisation.zone}, so that calls under way are booked in it."
        )
    if MonthClose.objects.filter(organisation=organisation, month=month).exists():
        raise MonthNotReady(f"{month:%Y-%m} is being closed already, or closed.")
    _refuse_gap(organisation, month)
    found = look(organisation=organisation, month=month, at=at)
    _refuse_findings(month, found, reason)
    close = MonthClose.objects.create(
        organisation=organisation,
        month=month,
        findings=msgspec.to_builtins(found),
        reason=reason.strip(),
        begun_by=actor.name,
        begun_at=at,
    )
    _note(close, actor, "month.closing_begun", reason=reason, findings=[finding.code for finding in found])
    # The last lock: whoever books in the month waits for nothing that is held here.
    ledger.shut_month(organisation_id=organisation.pk, month=month)
    return close


def write_closing(*, at: datetime) -> int:
    """Write the statements of every month that is closing and lacks them; return of how many months that were.

    May run twice, late, or be killed half-way: what is written stays, and writing again finds it.
    """
    written = 0
    for close in MonthClose.objects.filter(written_at=None).select_related("organisation").order_by("month", "id"):
        try:
            write_statements(organisation=close.organisation, month=close.month, at=at, actor=_WRITER)
        except StatementUnbalanced as error:
            MonthClose.objects.filter(pk=close.pk, written_at=None).update(trouble=error.message[:_LONGEST_TROUBLE])
            _log.error("month_not_written", month=f"{close.month:%Y-%m}", reason=error.message)
            continue
        written += MonthClose.objects.filter(pk=close.pk, written_at=None).update(written_at=at, trouble="")
    return written


@transaction.atomic
def review(*, actor: Actor, organisation: Organisation, month: date, at: datetime, comment: str = "") -> MonthClose:
    """Say that somebody looked at the month's statements and found them right. Raises MonthNotFound, MonthNotWritten,
    MonthNotReady.
    """
    close = _locked(organisation, month)
    if close.state == MonthClose.State.CLOSED:
        raise MonthNotReady(f"{month:%Y-%m} is closed: nothing of it changes any more.")
    _refuse_unwritten(close)
    close.state, close.reviewed_by, close.reviewed_at = MonthClose.State.REVIEWED, actor.name, at
    close.save(update_fields=["state", "reviewed_by", "reviewed_at"])
    _note(close, actor, "month.reviewed", reason=comment)
    return close


@transaction.atomic
def close(*, actor: Actor, organisation: Organisation, month: date, at: datetime) -> MonthClose:
    """Close a reviewed month for good. Raises MonthNotFound, MonthNotReady, SecondPersonNeeded, StatementUnbalanced."""
    found = _locked(organisation, month)
    if found.state != MonthClose.State.REVIEWED:
        raise MonthNotReady(
            f"{month:%Y-%m} is {found.get_state_display()}: it is closed once somebody has reviewed it."
        )
    earlier = MonthClose.objects.filter(organisation=organisation, month__lt=month)
    unclosed = earlier.exclude(state=MonthClose.State.CLOSED).order_by("month").first()
    if unclosed is not None:
        raise MonthNotReady(f"{unclosed.month:%Y-%m} is {unclosed.state}: months are closed in their order.")
    if needs_second_person(organisation=organisation) and actor.name == found.reviewed_by:
        raise SecondPersonNeeded(
            f"{actor.name} has reviewed {month:%Y-%m}, and this organisation has months closed by a second person."
        )
    statements = final_statements(organisation=organisation, month=month)
    total = sum(statement.total_nano for statement in statements)
    expense = month_expense_nano(organisation_id=organisation.pk, month=month)
    if total != expense:
        raise StatementUnbalanced(
            f"The statements of {month:%Y-%m} add up to {usd_text(total)} USD, but the ledger holds "
            f"{usd_text(expense)} USD: `bursar ledger prove` names the entries at fault."
        )
    found.state, found.closed_by, found.closed_at, found.total_nano = MonthClose.State.CLOSED, actor.name, at, total
    manifest = make_manifest(close=found, statements=statements)
    found.manifest, found.manifest_sha256 = manifest.content, manifest.sha256
    found.save(update_fields=["state", "closed_by", "closed_at", "total_nano", "manifest", "manifest_sha256"])
    _note(found, actor, "month.closed", total_usd=usd_text(total), manifest_sha256=manifest.sha256)
    return found


@transaction.atomic
def reopen(*, actor: Actor, organisation: Organisation, month: date, reason: str) -> None:
    """Book in a month again that is not closed yet. What came meanwhile stays in the next one; written statements stay.

    Raises MonthNotFound, MonthNotReady, BooksBusy.
    """
    found = _locked(organisation, month)
    if found.state == MonthClose.State.CLOSED:
        raise MonthNotReady(f"{month:%Y-%m} is closed for good: a correction is booked in the next open month.")
    if not reason.strip():
        raise MonthNotReady("Say why the month is opened again: it is kept in the audit trail.")
    later = MonthClose.objects.filter(organisation=organisation, month__gt=month).order_by("month").first()
    if later is not None:
        raise MonthNotReady(f"{later.month:%Y-%m} is being closed too: open that one first.")
    _note(found, actor, "month.reopened", reason=reason)
    found.delete()
    ledger.reopen_month(organisation_id=organisation.pk, month=month)


def final_statements(*, organisation: Organisation, month: date) -> list[Statement]:
    """Return the newest version of every cost centre's statement of a month, by the cost centre's code."""
    newest = Statement.objects.filter(organisation=organisation, month=month).order_by("cost_centre_id", "-version")
    found = Statement.objects.filter(pk__in=newest.distinct("cost_centre_id").values("pk"))
    return list(found.select_related("cost_centre").defer("content").order_by("cost_centre__code"))


def needs_second_person(*, organisation: Organisation) -> bool:
    """Whether who closes a month must be another person than who reviewed it."""
    rules = CloseRules.objects.filter(organisation=organisation).first()
    return rules is not None and rules.needs_second_person


@transaction.atomic
def set_close_rules(*, actor: Actor, organisation: Organisation, second_person: bool) -> None:
    """Say whether a second person closes months."""
    before = needs_second_person(organisation=organisation)
    CloseRules.objects.update_or_create(organisation=organisation, defaults={"needs_second_person": second_person})
    if before != second_person:
        record(
            actor=actor,
            action="organisation.close_rules_changed",
            subject=f"organisation:{organisation.pk}",
            before={"needs_second_person": before},
            after={"needs_second_person": second_person},
        )


def _refuse_gap(organisation: Organisation, month: date) -> None:
    """Months are closed in their order: the first that anything is booked in comes first."""
    first = first_month(organisation_id=organisation.pk)
    closed = set(MonthClose.objects.filter(organisation=organisation, month__lt=month).values_list("month", flat=True))
    missing = first
    while missing is not None and missing < month and missing in closed:
        missing = month_after(missing)
    if missing is not None and missing < month:
        raise MonthNotReady(
            f"{missing:%Y-%m} is still open: months are closed in their order, so close that one first."
        )


def _refuse_findings(month: date, found: tuple[Finding, ...], reason: str) -> None:
    if any(finding.is_blocking for finding in found) or (found and not reason.strip()):
        said = " ".join(finding.sentence for finding in found)
        how = "" if any(finding.is_blocking for finding in found) else " Give a reason to go on all the same."
        raise MonthNotReady(f"{month:%Y-%m} cannot be closed yet. {said}{how}")


def _refuse_unwritten(close: MonthClose) -> None:
    if close.written_at is None:
        raise MonthNotWritten(
            close.trouble or f"The statements of {close.month:%Y-%m} are being written: look again in a moment."
        )


def _locked(organisation: Organisation, month: date) -> MonthClose:
    found = MonthClose.objects.select_for_update(of=("self",)).filter(organisation=organisation, month=month).first()
    if found is None:
        raise MonthNotFound(f"{month:%Y-%m} is open: begin to close it first.")
    return found


def _note(close: MonthClose, actor: Actor, action: str, *, reason: str = "", **facts: object) -> None:
    record(
        actor=actor,
        action=action,
        subject=f"month:{close.month:%Y-%m}",
        after={"organisation_id": close.organisation_id, **facts},
        reason=reason,
    )
