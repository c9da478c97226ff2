"""The finance month in the background. Every task may run twice, late, or be killed half-way."""

from celery import shared_task

from governance.audit.operations import Actor
from governance.chargeback.closing import write_closing
from governance.chargeback.operations import keep_proof, prove_books, write_statements
from governance.chargeback.queries import months_due
from governance.core.clock import utc_now
from governance.core.months import parse_month
from governance.teams.models import Organisation

_ACTOR = Actor(name="task:write_statements")


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator] # celery carries no types
def prove_ledger_nightly() -> None:
    """Prove that the books balance and keep the result; a failure is logged as an error."""
    keep_proof(proof=prove_books(), at=utc_now())


@shared_task(ignore_result=True, expires=55)  # type: ignore[untyped-decorator]
def write_closing_months() -> None:
    """Write the statements of months that are being closed. What a killed run has written, the next one finds."""
    write_closing(at=utc_now())


@shared_task(ignore_result=True, expires=3600)  # type: ignore[untyped-decorator]
def write_due_statements() -> None:
    """Start one task for each organisation whose last month has ended and lacks a statement."""
    for organisation_id, month in months_due(at=utc_now()):
        write_month_statements.delay(organisation_id, f"{month:%Y-%m}")


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator]
def write_month_statements(organisation_id: int, month: str) -> None:
    """Write one organisation's statements of one month, written as 2026-11."""
    organisation = Organisation.objects.get(pk=organisation_id)
    write_statements(organisation=organisation, month=parse_month(month), at=utc_now(), actor=_ACTOR)
