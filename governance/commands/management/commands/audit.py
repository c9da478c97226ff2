"""`bursar audit`: who changed what, when, from where and why; whether anybody touched the trail; and taking it out."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from governance.audit.errors import TrailBroken
from governance.audit.export import export_csv
from governance.audit.models import AuditEvent
from governance.audit.queries import EventFilter, newest_events, verify_chain
from governance.commands.base import Answer, VerbCommand, actor
from governance.commands.parsing import instant
from governance.core.errors import BadRequest

_MOST_LISTED = 10_000


class Command(VerbCommand):
    """The trail."""

    help = "Read, prove and take out the audit trail, which is only ever added to."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "list", _list, words="List what was changed, by whom and why, newest first.",
            example="bursar audit list --action key --since 2026-11-01\n"
            "  bursar audit list --subject budget:12 --json",
        )  # fmt: skip
        _add_filter(verb)
        verb.add_argument("--limit", type=int, default=50, help="how many at most (default: 50)")
        verb = self.add_verb(
            "verify", _verify, words="Prove that no event was changed, added or removed; exit code 1 if one was.",
            example="bursar audit verify --json\n  bursar audit verify --expect 5f2c...e1",
        )  # fmt: skip
        verb.add_argument(
            "--expect", metavar="DIGEST", default="",
            help="a head that was printed before and kept elsewhere: shows whether the end was cut off since",
        )  # fmt: skip
        verb = self.add_verb(
            "export", _export, words="Write the trail as CSV, with the digests. The export is an event, too.",
            example="bursar audit export --to trail-2026-11.csv --since 2026-11-01 --until 2026-12-01",
        )  # fmt: skip
        _add_filter(verb)
        verb.add_argument("--to", required=True, metavar="FILE", help="a file that is not there yet")


def _add_filter(verb: Any) -> None:
    verb.add_argument("--actor", default="", help="what this person, command or task did")
    verb.add_argument("--action", default="", help="an action, or its beginning: key.issued, key")
    verb.add_argument("--subject", default="", metavar="KIND:ID", help="what was done to this: budget:12")
    verb.add_argument("--since", help="from this day or instant on (UTC where no zone is given)")
    verb.add_argument("--until", help="before this day or instant")


def _wanted(options: dict[str, Any]) -> EventFilter:
    return EventFilter(
        actor=options["actor"],
        action=options["action"],
        subject=options["subject"],
        since=instant(options["since"]),
        until=instant(options["until"]),
    )


def _list(options: dict[str, Any]) -> Answer:
    limit = min(max(1, options["limit"]), _MOST_LISTED)
    return [_facts(event) for event in newest_events(wanted=_wanted(options), before_id=None, limit=limit)]


def _verify(options: dict[str, Any]) -> Answer:
    proof = verify_chain(expected=options["expect"].strip())
    if proof.broken is not None:
        raise TrailBroken(
            f"The trail does not verify from event {proof.broken.pk} on ({proof.events} before it do): somebody "
            "changed, added or removed events behind the database's back. Compare it with a backup."
        )
    if proof.has_expected is False:
        raise TrailBroken(
            f"The {proof.events} events verify, but none has the digest that you expect: the end of the trail was cut "
            "off, or another trail was put in its place."
        )
    return {"events": proof.events, "head": proof.head}


def _export(options: dict[str, Any]) -> Answer:
    target = Path(options["to"])
    if target.exists():
        raise BadRequest(f"{target} is there already: name a file that is not.")
    with target.open("xb") as file:
        for piece in export_csv(actor=actor(), wanted=_wanted(options)):
            file.write(piece)
    return {"file": str(target), "bytes": target.stat().st_size}


def _facts(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.occurred_at.isoformat(timespec="seconds"),
        "actor": event.actor,
        "origin": event.origin,
        "action": event.action,
        "subject": event.subject,
        "reason": event.reason,
        "before": event.before,
        "after": event.after,
    }
