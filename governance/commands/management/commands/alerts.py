"""`bursar alerts`: who is told when a budget passes a threshold, and what was passed."""

from typing import Any

from django.core.management.base import CommandParser

from governance.alerts.models import Crossing
from governance.alerts.operations import add_recipient, remove_recipient
from governance.alerts.queries import crossings_of, recipients_of
from governance.commands.base import actor, plugins
from governance.commands.printing import PrintingCommand
from governance.core.money import usd_text
from governance.teams.models import Organisation
from governance.teams.queries import organisation_named


class Command(PrintingCommand):
    """Recipients and crossings."""

    help = (
        "Say who is told when a budget passes a threshold, and list what was passed. A recipient is a channel that an "
        "installed plugin offers and a destination in that channel's own form."
    )
    example = (
        "  bursar alerts recipients add --notifier webhook --destination https://hooks.example.com/budgets\n"
        "  bursar alerts recipients list\n"
        "  bursar alerts recipients remove 3\n"
        "  bursar alerts list --json"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare list, and recipients with add, list and remove."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        crossings = actions.add_parser("list", help="list the thresholds that were passed, and who was told")
        recipients = actions.add_parser("recipients", help="change who is told")
        changes = recipients.add_subparsers(dest="change", required=True, metavar="CHANGE")
        add = changes.add_parser("add", help="tell one more destination")
        add.add_argument("--notifier", required=True, metavar="NAME", help="the channel: see `bursar plugins`")
        add.add_argument("--destination", required=True, help="an address in the channel's own form")
        listing = changes.add_parser("list", help="list who is told")
        remove = changes.add_parser("remove", help="stop telling a destination")
        remove.add_argument("id", type=int, help="as `bursar alerts recipients list` prints it")
        for action in (crossings, add, listing, remove):
            action.add_argument("--organisation", metavar="NAME", help="needed where there are several")
        for action in (crossings, add, listing):
            action.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do what was asked."""
        organisation = organisation_named(name=options["organisation"])
        match options.get("change"):
            case "add":
                self._add(organisation, options)
            case "remove":
                remove_recipient(organisation=organisation, recipient_id=options["id"], actor=actor())
                self.stdout.write(f"Recipient {options['id']} is no longer told.")
            case "list":
                self._print_recipients(organisation, is_json=options["json"])
            case _:
                self._print_crossings(organisation, is_json=options["json"])

    def _add(self, organisation: Organisation, options: dict[str, Any]) -> None:
        recipient = add_recipient(
            organisation=organisation,
            notifier=options["notifier"],
            destination=options["destination"],
            notifiers=plugins().notifiers,
            actor=actor(),
        )
        if options["json"]:
            self.print_json({"id": recipient.pk})
        else:
            self.stdout.write(f"{recipient.destination} is told through {recipient.notifier} from now on.")

    def _print_recipients(self, organisation: Organisation, *, is_json: bool) -> None:
        rows = [(row.pk, row.notifier, row.destination) for row in recipients_of(organisation=organisation)]
        names = ("id", "notifier", "destination")
        if is_json:
            self.print_json([dict(zip(names, row, strict=True)) for row in rows])
        elif rows:
            self.print_table(("ID", "NOTIFIER", "DESTINATION"), [*rows])
        else:
            self.stdout.write("Nobody is told yet: `bursar alerts recipients add --help` shows how.")

    def _print_crossings(self, organisation: Organisation, *, is_json: bool) -> None:
        rows = [_as_dict(crossing) for crossing in crossings_of(organisation=organisation)]
        if is_json:
            self.print_json(rows)
        elif rows:
            self.print_table(
                tuple(name.upper().replace("_", " ") for name in rows[0]), [(*row.values(),) for row in rows]
            )
        else:
            self.stdout.write("No threshold was passed yet.")


def _as_dict(crossing: Crossing) -> dict[str, str | int]:
    deliveries = list(crossing.deliveries.all())
    told = sum(delivery.delivered_at is not None for delivery in deliveries)
    return {
        "crossed_at": f"{crossing.crossed_at:%Y-%m-%dT%H:%M:%SZ}",
        "budget": crossing.account.budget.name,
        "percent": crossing.threshold.percent,
        "settled_usd": usd_text(crossing.settled_nano),
        "limit_usd": usd_text(crossing.limit_nano),
        "told": told,
        "not_told": len(deliveries) - told,
        "last_error": next((delivery.last_error for delivery in deliveries if delivery.last_error), ""),
    }
