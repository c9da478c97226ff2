"""Writing statements, and proving the books."""

from datetime import date, datetime

import msgspec
import structlog
from django.db import connection, transaction

from governance.audit.operations import Actor, record
from governance.audit.queries import count_events, first_broken_event
from governance.chargeback.document import Heading, make_document
from governance.chargeback.errors import MonthNotBegun, StatementUnbalanced
from governance.chargeback.models import LedgerProof, MonthClose, Statement
from governance.chargeback.queries import cost_centres_of_month
from governance.core.months import month_at
from governance.ledger.monthly import cost_centre_month
from governance.ledger.proof import Failure, Finding, count_facts, keep_days_in_place, prove_ledger
from governance.metering.proof import count_accounts, prove_accounts
from governance.teams.models import CostCentre, Organisation

_log = structlog.get_logger(__name__)


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What one proof looked at, and what does not balance."""

    records: int
    entries: int
    accounts: int
    audit_events: int
    failure_count: int
    failures: tuple[Failure, ...]


def write_statements(*, organisation: Organisation, month: date, at: datetime, actor: Actor) -> list[Statement]:
    """Write the month's statement of every cost centre whose facts have none yet; return the current ones.

    Each cost centre is its own transaction, so that a run that was stopped goes on where it was. Raises MonthNotBegun,
    or StatementUnbalanced after every other statement was written.
    """
    if month > month_at(at, zone=organisation.zone):
        raise MonthNotBegun(f"{month:%Y-%m} has not begun in {organisation.zone}: choose an earlier month.")
    written, refused = [], []
    for cost_centre in cost_centres_of_month(organisation=organisation, month=month):
        try:
            written.append(write_statement(cost_centre=cost_centre, month=month, actor=actor))
        except StatementUnbalanced as error:
            refused.append(error.message)
    if refused:
        raise StatementUnbalanced(" ".join(refused))
    return written


@transaction.atomic
def write_statement(*, cost_centre: CostCentre, month: date, actor: Actor) -> Statement:
    """Return the statement of these facts: the latest one when nothing changed, else a new version.

    Raises StatementUnbalanced, and writes nothing, when records and postings disagree.
    """
    # Two writers of the same statement queue here; the second finds the first one's version.
    locked = CostCentre.objects.select_for_update(no_key=True).get(pk=cost_centre.pk)
    latest = Statement.objects.filter(cost_centre=locked, month=month).order_by("-version").first()
    if latest is not None and _is_closed(locked, month):
        return latest
    document = make_document(
        heading=Heading(month=month, cost_centre=locked.code, cost_centre_name=locked.name),
        booked=cost_centre_month(organisation_id=locked.organisation_id, cost_centre_id=locked.pk, month=month),
    )
    if latest is not None and latest.facts_sha256 == document.facts_sha256:
        return latest
    statement = Statement.objects.create(
        organisation_id=locked.organisation_id,
        cost_centre=locked,
        month=month,
        version=latest.version + 1 if latest else 1,
        **msgspec.structs.asdict(document),
    )
    record(
        actor=actor,
        action="statement.written",
        subject=f"statement:{statement.pk}",
        after={
            "cost_centre": locked.code,
            "month": f"{month:%Y-%m}",
            "version": statement.version,
            "total_nano": str(statement.total_nano),
            "sha256": statement.sha256,
        },
    )
    return statement


def prove_books() -> Proof:
    """Prove ledger, budget accounts and audit trail in one snapshot. Changes nothing; not inside a transaction."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        keep_days_in_place()
        findings = [prove_ledger(), prove_accounts(), _prove_audit_trail()]
        records, entries = count_facts()
        return Proof(
            records=records,
            entries=entries,
            accounts=count_accounts(),
            audit_events=count_events(),
            failure_count=sum(finding.failure_count for finding in findings),
            failures=tuple(failure for finding in findings for failure in finding.failures),
        )


def _is_closed(cost_centre: CostCentre, month: date) -> bool:
    closes = MonthClose.objects.filter(organisation_id=cost_centre.organisation_id, month=month)
    return closes.filter(state=MonthClose.State.CLOSED).exists()


def keep_proof(*, proof: Proof, at: datetime) -> LedgerProof:
    """Store the result of a proof; one that failed is logged as an error, with its first failures."""
    if proof.failure_count:
        _log.error(
            "ledger_does_not_balance",
            failure_count=proof.failure_count,
            first_failures=msgspec.to_builtins(proof.failures[:5]),
            remedy="Run `bursar ledger prove` and look at the rows it names before any month is closed.",
        )
    return LedgerProof.objects.create(proved_at=at, **msgspec.to_builtins(proof))


def _prove_audit_trail() -> Finding:
    broken = first_broken_event()
    if broken is None:
        return Finding(failures=(), failure_count=0)
    failure = Failure(
        check="audit_trail_is_broken",
        subject=f"audit event {broken.pk}",
        expected="a digest that follows from its content and the event before",
        found=bytes(broken.digest).hex(),
    )
    return Finding(failures=(failure,), failure_count=1)
