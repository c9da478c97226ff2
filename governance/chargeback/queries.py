"""Reading statements, reports and proofs."""

from datetime import date, datetime, timedelta

from django.db.models import Q, QuerySet

from governance.chargeback.errors import MonthNotFound, StatementNotFound
from governance.chargeback.models import LedgerProof, MonthClose, Statement
from governance.chargeback.report import MonthlyReport, make_report
from governance.chargeback.spreadsheet import Sheet, make_spreadsheet
from governance.core.months import month_at, month_before, month_period
from governance.ledger.monthly import cost_centres_with_postings, first_month, spend_by_key_and_model
from governance.teams.access import access_of
from governance.teams.models import CostCentre, Organisation, User

_TIME_FOR_LATE_CALLS = timedelta(hours=1)


def statements_visible_to(user: User) -> QuerySet[Statement]:
    """Return the statements this person may download, newest month first, every version, without their content."""
    seen = access_of(user=user).organisations_seen_whole()
    found = Statement.objects.filter(organisation_id__in=seen)
    return found.select_related("cost_centre", "organisation").defer("content")


def statement_for(*, user: User, statement_id: int) -> Statement:
    """Return one statement with its content. Raises StatementNotFound, also when the person may not see it."""
    statement = statements_visible_to(user).defer(None).filter(pk=statement_id).first()
    if statement is None:
        raise StatementNotFound("There is no such statement, or none for you: choose one from the list of statements.")
    return statement


def spreadsheet_of(statement: Statement) -> bytes:
    """Return a statement as a spreadsheet. `statement` has its content. Raises StatementUnbalanced."""
    centre = statement.cost_centre
    facts = (
        ("Organisation", statement.organisation.name),
        ("Month", f"{statement.month:%Y-%m}"),
        ("Cost centre", f"{centre.code} {centre.name}".strip()),
        ("Version", str(statement.version)),
        ("Written", f"{statement.created_at:%Y-%m-%d %H:%M} UTC"),
        ("File", statement.file_name),
        ("SHA-256 of the file", statement.sha256),
    )
    return make_spreadsheet(Sheet(content=bytes(statement.content), total_nano=statement.total_nano, facts=facts))


def statements_of(*, organisation: Organisation, month: date | None = None) -> QuerySet[Statement]:
    """Return an organisation's statements, newest month first, every version, without their content."""
    found = (
        Statement.objects.filter(organisation=organisation)
        .select_related("cost_centre", "organisation")
        .defer("content")
    )
    return found if month is None else found.filter(month=month)


def latest_statement(*, organisation: Organisation, cost_centre: str, month: date) -> Statement:
    """Return the newest version of a cost centre's statement, with its content. Raises StatementNotFound."""
    found = Statement.objects.filter(organisation=organisation, cost_centre__code=cost_centre, month=month)
    statement = found.select_related("cost_centre", "organisation").order_by("-version").first()
    if statement is None:
        raise StatementNotFound(
            f"The cost centre {cost_centre} has no statement for {month:%Y-%m}: "
            f"write it with `bursar statements write --month {month:%Y-%m}`, or see `bursar statements list`."
        )
    return statement


def cost_centres_of_month(*, organisation: Organisation, month: date) -> QuerySet[CostCentre]:
    """Return the cost centres that get a statement: those that existed, and those that anything was booked on."""
    ends_at = month_period(month, zone=organisation.zone).ends_at
    booked = cost_centres_with_postings(organisation_id=organisation.pk, month=month)
    return CostCentre.objects.filter(Q(created_at__lt=ends_at) | Q(pk__in=booked), organisation=organisation).order_by(
        "code"
    )


def months_due(*, at: datetime) -> list[tuple[int, date]]:
    """Return (organisation id, month) where last month's statements are missing, an hour after the month's end.

    The hour lets calls that were admitted in the month be settled first.
    """
    due = []
    for organisation in Organisation.objects.order_by("id"):
        month = month_before(month_at(at - _TIME_FOR_LATE_CALLS, zone=organisation.zone))
        wanted = cost_centres_of_month(organisation=organisation, month=month)
        if wanted.exclude(statements__month=month).exists():
            due.append((organisation.pk, month))
    return due


def closes_of(*, organisation: Organisation) -> QuerySet[MonthClose]:
    """Return the months of an organisation that are not open any more, the newest first, without their manifests."""
    return MonthClose.objects.filter(organisation=organisation).defer("manifest").order_by("-month")


def close_of(*, organisation: Organisation, month: date) -> MonthClose:
    """Return how far the closing of a month is. Raises MonthNotFound where it is open."""
    found = MonthClose.objects.filter(organisation=organisation, month=month).select_related("organisation").first()
    if found is None:
        raise MonthNotFound(f"{month:%Y-%m} is open: nobody has begun to close it.")
    return found


def months_of(*, organisation: Organisation, at: datetime) -> list[date]:
    """Return the months from the first in which anything is booked to the one that is running, the newest first."""
    month = month_at(at, zone=organisation.zone)
    first = min(first_month(organisation_id=organisation.pk) or month, month)
    months = [month]
    while months[-1] > first:
        months.append(month_before(months[-1]))
    return months


def monthly_report(*, organisation: Organisation, month: date) -> MonthlyReport:
    """Return a month's spend by team, key and model."""
    return make_report(month, spend_by_key_and_model(organisation_id=organisation.pk, month=month))


def last_proof() -> LedgerProof | None:
    """Return the newest proof of the books, or None before the first one."""
    return LedgerProof.objects.first()
