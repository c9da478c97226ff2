"""`bursar jobs`."""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation
from governance.core.errors import BadRequest
from governance.core.money import usd_text
from governance.jobs import operations, queries


class Command(VerbCommand):
    help = "Show batches and background replies that vendors work on, and give one up by name."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        self.add_verb("list", _list, words="List what has not ended, and what it holds.", example="bursar jobs list")
        verb = self.add_verb(
            "give-up", _give_up, words="Look at a job no more: what it holds goes to suspense.",
            example="bursar jobs give-up JOB --reason 'the account at the vendor is closed'",
        )  # fmt: skip
        verb.add_argument("job", help="the job's id, as `list` shows it")
        verb.add_argument("--reason", required=True, help="why nobody will learn what it cost; kept in the audit trail")


def _list(options: dict[str, Any]) -> Answer:
    return [
        {
            "job": str(job.pk),
            "kind": job.kind,
            "team_id": job.team_id,
            "model": job.reservation.alias,
            "vendor_id": job.vendor_id,
            "status": job.status or job.state,
            "held_usd": usd_text(job.reservation.held_nano),
            "begun_at": job.created_at.isoformat(),
            "next_look_at": job.next_look_at.isoformat(),
        }
        for job in queries.open_jobs(organisation_id=chosen_organisation(options).pk)
    ]


def _give_up(options: dict[str, Any]) -> Answer:
    try:
        job_id = UUID(options["job"])
    except ValueError as error:
        raise BadRequest(f"{options['job']!r} is no job's id: list them with `bursar jobs list`.") from error
    held = operations.give_up(job_id=job_id, actor=actor(), reason=options["reason"])
    return {"job": str(job_id), "in_suspense_usd": usd_text(held)}
