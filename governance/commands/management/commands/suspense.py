"""`bursar suspense`."""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation
from governance.core.errors import BadRequest
from governance.core.money import parse_usd, usd_text
from governance.metering import operations, queries
from governance.metering.estimates import estimated_nanos


class Command(VerbCommand):
    help = "Show attempts whose outcome nobody can prove, and decide about their money by name."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        self.add_verb("list", _list, words="List what is held for unknown outcomes.", example="bursar suspense list")
        verb = self.add_verb(
            "release", _release, words="Give the money back: the vendor did not charge for the attempt.",
            example="bursar suspense release ATTEMPT --reason 'not in the vendor's report'",
        )  # fmt: skip
        verb.add_argument("attempt", help="the attempt's id")
        verb.add_argument("--reason", required=True, help="how you know; kept in the audit trail")
        verb = self.add_verb(
            "settle", _settle, words="Charge the attempt with what the vendor billed.",
            example="bursar suspense settle ATTEMPT --cost 0.0125 --reason 'invoice of November'",
        )  # fmt: skip
        verb.add_argument("attempt", help="the attempt's id")
        verb.add_argument("--cost", help="in USD, exact, in all; without it: everything that is held or estimated")
        verb.add_argument("--reason", required=True, help="how you know; kept in the audit trail")
        self.add_verb(
            "leases", _leases, words="List what gateway processes held whose journals are gone.",
            example="bursar suspense leases",
        )  # fmt: skip
        verb = self.add_verb(
            "release-leases", _release_leases, words="Give back what a gateway process held whose journal is gone.",
            example="bursar suspense release-leases 12 --reason 'host burnt; its calls are booked by hand'",
        )  # fmt: skip
        verb.add_argument("epoch", type=int, help="the process's epoch, as `leases` lists it")
        verb.add_argument("--reason", required=True, help="how you know; kept in the audit trail")


def _list(options: dict[str, Any]) -> Answer:
    attempts = list(queries.suspense(organisation_id=chosen_organisation(options).pk))
    estimated = estimated_nanos(attempts)
    return [
        {
            "attempt": str(attempt.id),
            "admitted_at": attempt.admitted_at.isoformat(),
            "key_id": attempt.key_id,
            "model": attempt.alias,
            "held_usd": usd_text(attempt.held_nano),
            "estimated_usd": usd_text(estimated.get(attempt.id, 0)),
            "reason": attempt.suspense_reason,
        }
        for attempt in attempts
    ]


def _release(options: dict[str, Any]) -> Answer:
    attempt_id = _attempt_id(options["attempt"])
    operations.release_suspense(attempt_id=attempt_id, actor=actor(), reason=options["reason"])
    return {"attempt": str(attempt_id), "outcome": operations.RELEASED_REASON}


def _settle(options: dict[str, Any]) -> Answer:
    attempt_id = _attempt_id(options["attempt"])
    cost_nano = None if options["cost"] is None else parse_usd(options["cost"])
    operations.settle_suspense(attempt_id=attempt_id, cost_nano=cost_nano, actor=actor(), reason=options["reason"])
    return {"attempt": str(attempt_id), "outcome": operations.SETTLED_REASON}


def _leases(options: dict[str, Any]) -> Answer:
    return [
        {
            "epoch": lost.worker.epoch,
            "host": lost.worker.host,
            "last_seen_at": lost.worker.last_seen_at.isoformat(),
            "budgets": lost.accounts,
            "largest_usd": usd_text(lost.largest_nano),
        }
        for lost in queries.lost_leases(organisation_id=chosen_organisation(options).pk)
    ]


def _release_leases(options: dict[str, Any]) -> Answer:
    operations.release_lost_leases(epoch=options["epoch"], actor=actor(), reason=options["reason"])
    return {"epoch": options["epoch"], "outcome": operations.RELEASED_REASON}


def _attempt_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise BadRequest(f"{text!r} is no attempt's id: list them with `bursar suspense list`.") from error
