"""Reading jobs that are open."""

from django.db.models import QuerySet

from governance.jobs.models import Job


def open_jobs(*, organisation_id: int) -> QuerySet[Job]:
    """Return the jobs that have not ended, with what is held for each, oldest first."""
    jobs = Job.objects.filter(reservation__organisation_id=organisation_id).exclude(state=Job.State.ENDED)
    return jobs.select_related("reservation").order_by("created_at")
