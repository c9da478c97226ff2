"""Giving jobs up by name."""

from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from governance.audit.operations import Actor, record
from governance.core.errors import BadRequest
from governance.core.money import usd_text
from governance.jobs.errors import NoSuchJob
from governance.jobs.models import Job
from governance.metering.outcomes import suspense
from governance.metering.texts import outcome_text

GIVEN_UP = "job_given_up"


@transaction.atomic
def give_up(*, job_id: UUID, actor: Actor, reason: str) -> int:
    """Look at a job no more: what it still holds, in nano-USD, goes to suspense, where somebody decides about it.

    Raises BadRequest without a reason, NoSuchJob.
    """
    if not reason.strip():
        raise BadRequest("Say why: giving a job up needs a reason, which is kept in the audit trail.")
    job = Job.objects.filter(pk=job_id).first()
    held = None if job is None else _end_reservation(job_id)
    if job is None or held is None:
        raise NoSuchJob(f"No open job has the id {job_id}: list them with `bursar jobs list`.")
    Job.objects.filter(pk=job_id).update(state=Job.State.ENDED, ended_at=Now())
    record(
        actor=actor,
        action="job.given_up",
        subject=f"job:{job_id}",
        before={"held_usd": usd_text(held), "status": job.status, "vendor_id": job.vendor_id},
        reason=reason,
    )
    return held


def _end_reservation(job_id: UUID) -> int | None:
    with connection.cursor() as cursor:
        text = outcome_text(suspense(GIVEN_UP)).decode()
        cursor.execute("SELECT metering_end_durable(%s, %s::jsonb)", [job_id, text])
        (held,) = cursor.fetchone()
    return None if held is None else int(held)
