"""`bursar alerts`: who is told when a budget passes a threshold, what was passed, and whether the telling worked."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from governance.alerts.drift import set_drift_alarm
from governance.alerts.models import Crossing, Delivery, Drift
from governance.alerts.operations import Trial, add_recipient, remove_recipient, send_test
from governance.alerts.queries import crossings_of, deliveries_of, drifts_of, recipients_of
from governance.commands.base import actor, plugins
from governance.commands.printing import PrintingCommand
from governance.core.clock import utc_now
from governance.core.money import exact, usd_text
from governance.teams.models import Organisation
from governance.teams.queries import organisation_named


class Command(PrintingCommand):
    """Recipients, crossings and deliveries."""

    help = (
        "Say who is told when a budget passes a threshold, list what was passed, and see whether the telling worked. A "
        "recipient is a channel that an installed plugin offers (mail, webhook) and a destination in its own form."
    )
    example = (
        "  bursar alerts recipients add --notifier mail --destination finance@example.com\n"
        "  bursar alerts recipients add --notifier webhook --destination https://hooks.example.com/budgets\n"
        "  bursar alerts recipients add --notifier webhook --destination https://siem.example.com/in --changes '*' \\\n"
        "      --no-alerts\n"
        "  bursar alerts test\n"
        "  bursar alerts deliveries\n"
        "  bursar alerts recipients list\n"
        "  bursar alerts recipients remove 3\n"
        "  bursar alerts list --json\n"
        "  bursar alerts drift --percent 2.5\n"
        "  bursar alerts drifts"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare list, deliveries, test, and recipients with add, list and remove."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        crossings = actions.add_parser("list", help="list the thresholds that were passed, and who was told")
        deliveries = actions.add_parser("deliveries", help="list who was to be told of what, and why it failed")
        drift = actions.add_parser("drift", help="say from which difference to vendors' own costs on you are told")
        wanted = drift.add_mutually_exclusive_group(required=True)
        wanted.add_argument("--percent", help="of what the vendor reports for a day (1 unless you say otherwise)")
        wanted.add_argument("--off", action="store_true", help="never")
        drifts = actions.add_parser("drifts", help="list where vendors' own costs went apart from the books")
        test = actions.add_parser("test", help="send a test message now, and say whether it was delivered")
        test.add_argument("id", type=int, nargs="?", help="one recipient only (default: all)")
        recipients = actions.add_parser("recipients", help="change who is told")
        changes = recipients.add_subparsers(dest="change", required=True, metavar="CHANGE")
        add = changes.add_parser("add", help="tell one more destination")
        add.add_argument("--notifier", required=True, metavar="NAME", help="the channel: see `bursar plugins`")
        add.add_argument("--destination", required=True, help="an address in the channel's own form")
        add.add_argument(
            "--changes",
            action="append",
            default=[],
            metavar="ACTION",
            help="tell it of such events of the audit trail too: key.issued, key, or * (repeat it for several)",
        )
        add.add_argument("--no-alerts", action="store_true", help="of changes alone, not of budgets and drifts")
        listing = changes.add_parser("list", help="list who is told")
        remove = changes.add_parser("remove", help="stop telling a destination")
        remove.add_argument("id", type=int, help="as `bursar alerts recipients list` prints it")
        for action in (crossings, deliveries, drift, drifts, test, add, listing, remove):
            action.add_argument("--organisation", metavar="NAME", help="needed where there are several")
        for action in (crossings, deliveries, drifts, test, add, listing):
            action.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do what was asked."""
        organisation = organisation_named(name=options["organisation"])
        match options.get("change") or options["action"]:
            case "deliveries":
                rows = [_delivery(delivery) for delivery in deliveries_of(organisation=organisation)]
                self._print_rows(rows, is_json=options["json"], nothing="Nobody was to be told of anything yet.")
            case "drift":
                self._set_drift(organisation, "0" if options["off"] else options["percent"])
            case "drifts":
                rows = [_drift(drift) for drift in drifts_of(organisation=organisation)]
                self._print_rows(rows, is_json=options["json"], nothing="No vendor's costs went apart from the books.")
            case "test":
                self._test(organisation, options)
            case "add":
                self._add(organisation, options)
            case "remove":
                remove_recipient(organisation=organisation, recipient_id=options["id"], actor=actor())
                self.stdout.write(f"Recipient {options['id']} is no longer told.")
            case "list" if options["action"] == "recipients":
                self._print_recipients(organisation, is_json=options["json"])
            case _:
                rows = [_crossing(crossing) for crossing in crossings_of(organisation=organisation)]
                self._print_rows(rows, is_json=options["json"], nothing="No threshold was passed yet.")

    def _test(self, organisation: Organisation, options: dict[str, Any]) -> None:
        trials = send_test(
            organisation=organisation, notifiers=plugins().notifiers, at=utc_now(), recipient_id=options["id"]
        )
        self._print_rows(
            [_trial(trial) for trial in trials],
            is_json=options["json"],
            nothing="Nobody is told yet: `bursar alerts recipients add --help` shows how.",
        )
        failures = sum(bool(trial.error) for trial in trials)
        if failures:
            raise CommandError(f"{failures} of {len(trials)} recipients could not be told: the table says why.")

    def _set_drift(self, organisation: Organisation, percent: str) -> None:
        permille = exact(percent) * 10
        if permille != permille.to_integral_value():
            raise CommandError(f"{percent} is finer than a tenth of a percent: round it.")
        set_drift_alarm(actor=actor(), organisation=organisation, permille=int(permille))
        told = f"from {percent} percent on" if permille else "no longer"
        self.stdout.write(f"You are told {told} when a vendor's own cost of a day differs from the books.")

    def _add(self, organisation: Organisation, options: dict[str, Any]) -> None:
        recipient = add_recipient(
            organisation=organisation,
            notifier=options["notifier"],
            destination=options["destination"],
            notifiers=plugins().notifiers,
            actor=actor(),
            hears_alerts=not options["no_alerts"],
            changes=options["changes"],
        )
        if options["json"]:
            self.print_json({"id": recipient.pk})
        else:
            self.stdout.write(f"{recipient.destination} is told through {recipient.notifier} from now on.")

    def _print_recipients(self, organisation: Organisation, *, is_json: bool) -> None:
        recipients = recipients_of(organisation=organisation)
        self._print_rows(
            [
                {
                    "id": row.pk,
                    "notifier": row.notifier,
                    "destination": row.destination,
                    "alerts": "yes" if row.hears_alerts else "no",
                    "changes": " ".join(row.changes),
                }
                for row in recipients
            ],
            is_json=is_json,
            nothing="Nobody is told yet: `bursar alerts recipients add --help` shows how.",
        )

    def _print_rows(self, rows: list[dict[str, str | int]], *, is_json: bool, nothing: str) -> None:
        if is_json:
            self.print_json(rows)
        elif rows:
            header = tuple(name.upper().replace("_", " ") for name in rows[0])
            self.print_table(header, [(*row.values(),) for row in rows])
        else:
            self.stdout.write(nothing)


def _crossing(crossing: Crossing) -> dict[str, str | int]:
    deliveries = list(crossing.deliveries.all())
    told = sum(delivery.delivered_at is not None for delivery in deliveries)
    return {
        "crossed_at": f"{crossing.crossed_at:%Y-%m-%dT%H:%M:%SZ}",
        "budget": crossing.account.budget.name,
        "percent": crossing.threshold.percent,
        "measure": crossing.threshold.measure,
        "settled_usd": usd_text(crossing.settled_nano),
        "held_usd": usd_text(crossing.held_nano),
        "limit_usd": usd_text(crossing.limit_nano),
        "told": told,
        "not_told": len(deliveries) - told,
        "last_error": next((delivery.last_error for delivery in deliveries if delivery.last_error), ""),
    }


def _drift(drift: Drift) -> dict[str, str | int]:
    deliveries = list(drift.deliveries.all())
    told = sum(delivery.delivered_at is not None for delivery in deliveries)
    return {
        "noticed_at": f"{drift.noticed_at:%Y-%m-%dT%H:%M:%SZ}",
        "connection": drift.connection,
        "model": drift.model,
        "calls": drift.calls,
        "calls_apart": drift.apart,
        "cost_usd": usd_text(drift.cost_nano),
        "vendor_cost_usd": usd_text(drift.vendor_cost_nano),
        "told": told,
        "not_told": len(deliveries) - told,
    }


def _delivery(delivery: Delivery) -> dict[str, str | int]:
    at = delivery.delivered_at or delivery.next_attempt_at
    crossing = delivery.crossing
    return {
        "crossed_at": f"{_happened_at(delivery):%Y-%m-%dT%H:%M:%SZ}",
        "budget": crossing.account.budget.name if crossing is not None else "",
        "threshold": str(crossing.threshold) if crossing is not None else delivery.told,
        "notifier": delivery.recipient.notifier,
        "destination": delivery.recipient.destination,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "at": "" if delivery.state is Delivery.State.GIVEN_UP else f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "last_error": delivery.last_error,
    }


def _happened_at(delivery: Delivery) -> datetime | None:
    if delivery.crossing is not None:
        return delivery.crossing.crossed_at
    if delivery.drift is not None:
        return delivery.drift.noticed_at
    return delivery.event.occurred_at if delivery.event is not None else None


def _trial(trial: Trial) -> dict[str, str | int]:
    return {
        "id": trial.recipient.pk,
        "notifier": trial.recipient.notifier,
        "destination": trial.recipient.destination,
        "state": "failed" if trial.error else "delivered",
        "error": trial.error,
    }
