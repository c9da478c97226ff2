"""Jobs that nobody will hear of again: by the task, after the time an answer may take, or by somebody's word."""

import io
import json
import os
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.management import call_command

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor
from governance.budgets.models import Account
from governance.core.database_url import DatabaseRole
from governance.core.environment import read_environment
from governance.core.errors import BadRequest
from governance.jobs.errors import NoSuchJob
from governance.jobs.models import Job
from governance.jobs.operations import give_up
from governance.jobs.tasks import look_at_jobs
from governance.metering.models import Attempt, DurableLine, DurableReservation
from governance.metering.proof import prove_accounts
from tests.support.finance_world import FinanceWorld, make_world

ADA = Actor(name="ada@example.org")


def begun(world: FinanceWorld, account: Account, *, held_nano: int = 700) -> Job:
    """Return a job that was begun and whose vendor has not answered."""
    key = world.key(world.team("Search", world.cost_centre("CC-1")))
    Account.objects.filter(pk=account.pk).update(held_nano=held_nano)
    now = datetime.now(UTC)
    reservation = DurableReservation.objects.create(
        id=uuid4(), request_id=uuid4(), admitted_at=now, reserved_nano=held_nano, held_nano=held_nano,
        account_ids=[account.pk], organisation_id=world.organisation.pk, unit_id=world.unit.pk,
        cost_centre_id=key.team.cost_centre_id, team_id=key.team_id, key_id=key.pk, model_id=1, deployment_id=1,
        connection_id=world.vendor.pk, alias="claude", wire="anthropic.messages",
    )  # fmt: skip
    DurableLine.objects.create(durable=reservation, attempt_id=uuid4(), name="a", reserved_nano=held_nano)
    return Job.objects.create(
        reservation=reservation,
        kind="anthropic.batch",
        team_id=key.team_id,
        connection_id=world.vendor.pk,
        next_look_at=now,
    )


@pytest.mark.django_db
def test_somebody_gives_a_job_up_once_and_what_it_held_waits_for_a_word() -> None:
    world = make_world()
    account = world.account("team", 10**9)
    job = begun(world, account)
    shown = io.StringIO()
    call_command("jobs", "list", "--json", stdout=shown)
    (row,) = json.loads(shown.getvalue())
    assert (row["job"], row["status"], row["held_usd"]) == (str(job.pk), "sending", "0.0000007")
    with pytest.raises(BadRequest, match="needs a reason"):
        give_up(job_id=job.pk, actor=ADA, reason=" ")
    call_command("jobs", "give-up", str(job.pk), "--reason", "the account is closed", stdout=io.StringIO())
    (attempt,) = Attempt.objects.all()
    account.refresh_from_db()
    assert (attempt.suspense_reason, attempt.held_nano, account.held_nano) == ("job_given_up", 700, 700)
    assert AuditEvent.objects.filter(action="job.given_up").count() == 1
    assert prove_accounts().failures == ()
    with pytest.raises(NoSuchJob):
        give_up(job_id=job.pk, actor=ADA, reason="again")


def test_the_task_ends_what_was_never_answered(
    database_urls: dict[DatabaseRole, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {**os.environ, "BURSAR_WORKER_DATABASE_URL": database_urls["worker"]}
    monkeypatch.setattr(settings, "ENVIRONMENT", read_environment(variables))
    world = make_world()
    begun(world, world.account("team", 10**9))
    look_at_jobs()
    look_at_jobs()
    assert [(each.suspense_reason, each.held_nano) for each in Attempt.objects.all()] == [("answer_lost", 700)]
    assert [job.state for job in Job.objects.all()] == ["ended"]
