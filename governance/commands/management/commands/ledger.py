"""`bursar ledger`: prove that the books balance, rate again what is on them, look after the days they are kept by."""

import sys
from datetime import date, datetime
from typing import Any

from django.core.management.base import CommandParser

from governance.catalog.queries import model_named
from governance.chargeback.detaching import DayToDetach, attach_day, days_to_detach, detach_day
from governance.chargeback.operations import Proof, keep_proof, prove_books
from governance.commands.base import actor
from governance.commands.parsing import calendar_day, file_content, instant
from governance.commands.printing import PrintingCommand
from governance.connections.queries import connection_named
from governance.core.clock import utc_now
from governance.core.errors import BadRequest
from governance.core.money import usd_text
from governance.ledger.billed_days import BilledDay, billed_days
from governance.ledger.bills import read_bill
from governance.ledger.detached import table_of
from governance.ledger.partitions import partitions
from governance.ledger.rated import Span
from governance.ledger.vendor_costs import VendorCost, vendor_costs
from governance.metering.rerating import Rerating, apply_rerating, preview_rerating
from governance.teams.queries import organisation_named, team_named

_EXIT_UNBALANCED = 1
_EXIT_APART = 1


class Command(PrintingCommand):
    """Prove the books, rate again what is on them, list their partitions, detach old ones and attach them again."""

    help = (
        "prove: derive every balance anew from usage records, postings and attempts in flight, compare it with what is "
        "stored, and verify the audit trail. Exit code 0: everything balances. Exit code 1: the rows that do not. "
        "rerate: show what the calls of a span would cost with the prices that the catalogue has now for the time of "
        "each call; with --apply, book the differences as corrections. compare: put what vendors reported that calls "
        "cost beside what the books say; exit code 1 when calls differ by more than a thousandth. bill: put a vendor's "
        "daily cost report beside the books; exit code 1 when a day differs by more than a cent. partitions: list the "
        "days that usage records are kept by. detach: show which days of closed months can be taken off the books' "
        "table; with --apply, take them off and leave their sums. attach: put such a day back."
    )
    example = (
        "  bursar ledger prove\n"
        "  bursar ledger rerate --from 2026-11-01 --until 2026-12-01 --model openai/gpt-5\n"
        "  bursar ledger rerate --from 2026-11-01 --until 2026-12-01 --apply --reason 'a price was missing'\n"
        "  bursar ledger compare --from 2026-11-01 --until 2026-12-01\n"
        "  bursar ledger bill costs.json --connection openai\n"
        "  bursar ledger detach --before 2026-01-01\n"
        "  bursar ledger attach 2025-12-31"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the actions."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        prove = actions.add_parser("prove", help="prove that the books balance")
        rerate = actions.add_parser("rerate", help="rate calls of the past with the prices of today's catalogue")
        rerate.add_argument("--from", metavar="TIME", required=True, help="calls admitted from then on: 2026-11-01")
        rerate.add_argument("--until", metavar="TIME", required=True, help="calls admitted before then")
        rerate.add_argument("--model", metavar="VENDOR/NAME", help="only calls to this model")
        rerate.add_argument("--connection", metavar="NAME", help="only calls through this connection")
        rerate.add_argument("--team", metavar="NAME", help="only calls of this team")
        rerate.add_argument("--organisation", metavar="NAME", help="whose, where there are several")
        rerate.add_argument("--apply", action="store_true", help="book the differences; without it nothing changes")
        rerate.add_argument("--reason", help="needed with --apply; stands on the entries and in the audit trail")
        compare = actions.add_parser("compare", help="compare costs with those that vendors reported")
        compare.add_argument("--from", metavar="TIME", required=True, help="calls admitted from then on: 2026-11-01")
        compare.add_argument("--until", metavar="TIME", required=True, help="calls admitted before then")
        compare.add_argument("--organisation", metavar="NAME", help="whose, where there are several")
        bill = actions.add_parser("bill", help="put a vendor's own daily cost report beside the books")
        bill.add_argument("file", metavar="FILE", help="the JSON that OpenAI's or Anthropic's cost API answered")
        bill.add_argument("--connection", metavar="NAME", required=True, help="the account that was billed")
        bill.add_argument("--organisation", metavar="NAME", help="whose, where there are several")
        listing = actions.add_parser("partitions", help="list the days by which usage records are kept")
        detach = actions.add_parser("detach", help="take old days off the books' table; their sums stay")
        detach.add_argument("--before", metavar="DATE", required=True, help="days (UTC) before this one: 2026-01-01")
        detach.add_argument("--apply", action="store_true", help="do it; without it nothing changes")
        attach = actions.add_parser("attach", help="put a detached day back")
        attach.add_argument("day", metavar="DAY", help="the day (UTC): 2025-12-31")
        for action in (prove, rerate, compare, bill, listing, detach, attach):
            action.add_argument("--json", action="store_true", help="print one JSON object; amounts are exact strings")

    def handle(self, *_: Any, **options: Any) -> None:
        """Do what was asked; `prove` exits with 1 when something does not balance."""
        match options["action"]:
            case "rerate":
                self._rerate(options)
            case "compare":
                self._compare(options)
            case "bill":
                self._bill(options)
            case "partitions":
                self._list_partitions(is_json=options["json"])
            case "detach":
                self._detach(
                    before=calendar_day(options["before"]), is_applied=options["apply"], is_json=options["json"]
                )
            case "attach":
                self._attach(calendar_day(options["day"]), is_json=options["json"])
            case _:
                self._prove(is_json=options["json"])

    def _prove(self, *, is_json: bool) -> None:
        proof = prove_books()
        keep_proof(proof=proof, at=utc_now())
        if is_json:
            self.print_json({"balanced": not proof.failure_count, **_proof_facts(proof)})
        else:
            self._print_proof(proof)
        if proof.failure_count:
            sys.exit(_EXIT_UNBALANCED)

    def _print_proof(self, proof: Proof) -> None:
        counted = (
            f"usage records: {proof.records}, entries: {proof.entries}, budget accounts: {proof.accounts}, "
            f"audit events: {proof.audit_events}"
        )
        if not proof.failure_count:
            self.stdout.write(f"The books balance ({counted}).")
            return
        self.print_table(
            ("CHECK", "WHERE", "EXPECTED", "FOUND"),
            [(row.check, row.subject, row.expected, row.found) for row in proof.failures],
        )
        self.stdout.write(
            f"The books do not balance ({counted}). Rows that do not: {proof.failure_count}, "
            f"of which {len(proof.failures)} are shown."
        )

    def _compare(self, options: dict[str, Any]) -> None:
        organisation = organisation_named(name=options["organisation"])
        since, until = _ends(options)
        found = vendor_costs(organisation_id=organisation.pk, since=since, until=until)
        if options["json"]:
            self.print_json({"models": [_vendor_cost_facts(each) for each in found]})
        elif found:
            facts = [_vendor_cost_facts(each) for each in found]
            heading = tuple(name.upper().replace("_", " ") for name in facts[0])
            self.print_table(heading, [tuple(each.values()) for each in facts])
        else:
            self.stdout.write("No vendor reported what a call of this span cost.")
        if any(each.apart for each in found):
            sys.exit(_EXIT_APART)

    def _bill(self, options: dict[str, Any]) -> None:
        found = billed_days(
            bill=read_bill(file_content(options["file"])),
            connection_id=connection_named(
                organisation=organisation_named(name=options["organisation"]), name=options["connection"]
            ).pk,
            at=utc_now(),
        )
        facts = [_billed_facts(each) for each in found]
        if options["json"]:
            self.print_json({"days": facts})
        elif found:
            heading = tuple(name.upper().replace("_", " ") for name in facts[0])
            self.print_table(heading, [tuple(each.values()) for each in facts])
        else:
            self.stdout.write("The report has no day.")
        if any(each.is_apart for each in found):
            sys.exit(_EXIT_APART)

    def _list_partitions(self, *, is_json: bool) -> None:
        found = partitions()
        if is_json:
            self.print_json(found)
            return
        rows: list[tuple[str | int, ...]] = [
            (
                f"{each.day}" if each.day else "any other",
                _rows_text(is_detached=each.is_detached, estimated=each.estimated_rows),
                each.bytes,
            )
            for each in found
        ]
        self.print_table(("DAY (UTC)", "ROWS, ESTIMATED", "BYTES"), rows)

    def _detach(self, *, before: date, is_applied: bool, is_json: bool) -> None:
        today = utc_now().date()
        found = days_to_detach(before=before, today=today)
        ready = [each.day for each in found if each.obstacle is None]
        if is_applied:
            for day in ready:
                detach_day(day=day, today=today, actor=actor())
        if is_json:
            self.print_json({"applied": is_applied, "days": [_day_facts(each) for each in found]})
            return
        if found:
            rows: list[tuple[str | int, ...]] = [(f"{each.day}", each.bytes, each.obstacle or "-") for each in found]
            self.print_table(("DAY (UTC)", "BYTES", "WHAT STANDS AGAINST IT"), rows)
        self.stdout.write(f"Days before {before}: {len(found)}. Days that can be detached: {len(ready)}.")
        if ready and is_applied:
            self.stdout.write(
                f"Detached: each is a table of its own now, such as {table_of(ready[0])}. Dump it before you drop it."
            )
        elif ready:
            self.stdout.write("Nothing was changed: --apply detaches them.")

    def _attach(self, day: date, *, is_json: bool) -> None:
        attached = attach_day(day=day, actor=actor())
        if is_json:
            self.print_json({"day": f"{day}", "records": attached.records})
        else:
            self.stdout.write(f"{day} is attached again: its {attached.records} usage records count, its sums no more.")

    def _rerate(self, options: dict[str, Any]) -> None:
        span = _span(options)
        is_applied = options["apply"]
        if is_applied:
            rerating = apply_rerating(span=span, actor=actor(), reason=options["reason"] or "")
        else:
            rerating = preview_rerating(span=span)
        if options["json"]:
            self.print_json({"applied": is_applied, **_rerating_facts(rerating)})
        else:
            self._print_rerating(rerating, is_applied=is_applied)

    def _print_rerating(self, rerating: Rerating, *, is_applied: bool) -> None:
        if rerating.differences:
            rows: list[tuple[str | int, ...]] = [
                (each.team, each.model, each.attempts, *_amounts(each.before_nano, each.after_nano))
                for each in rerating.differences
            ]
            rows.append(("TOTAL", "", rerating.changed, *_amounts(rerating.before_nano, rerating.after_nano)))
            self.print_table(("TEAM", "MODEL", "CALLS", "CHARGED", "NOW", "DIFFERENCE"), rows)
        self.stdout.write(
            f"Calls looked at: {rerating.examined}. Calls whose cost or mark changes: {rerating.changed}."
        )
        if rerating.unpriced:
            self.stdout.write(
                f"Calls whose model has no price for their time: {rerating.unpriced}. They stay as they are; "
                "`bursar models` adds prices."
            )
        if rerating.decided:
            self.stdout.write(f"Calls that were not billed, or were settled by name: {rerating.decided}. They stay so.")
        if rerating.changed:
            self.stdout.write("Booked, as corrections." if is_applied else "Nothing was changed: --apply books it.")


def _rows_text(*, is_detached: bool, estimated: int | None) -> str:
    if is_detached:
        return "detached"
    return "not known" if estimated is None else f"{estimated}"


def _day_facts(found: DayToDetach) -> dict[str, object]:
    return {"day": f"{found.day}", "bytes": found.bytes, "table": table_of(found.day), "obstacle": found.obstacle}


def _span(options: dict[str, Any]) -> Span:
    organisation = organisation_named(name=options["organisation"])
    since, until = _ends(options)
    provider, slash, name = (options["model"] or "").partition("/")
    if options["model"] and not slash:
        raise BadRequest(f"{provider!r} is no model: write vendor/name, as `bursar models list` does.")
    connection = options["connection"]
    return Span(
        organisation_id=organisation.pk,
        since=since,
        until=until,
        model_id=model_named(provider=provider, name=name).pk if slash else None,
        connection_id=connection_named(organisation=organisation, name=connection).pk if connection else None,
        team_id=team_named(organisation=organisation, name=options["team"]).pk if options["team"] else None,
    )


def _ends(options: dict[str, Any]) -> tuple[datetime, datetime]:
    since, until = instant(options["from"]), instant(options["until"])
    if since is None or until is None or since >= until:
        raise BadRequest("The span is empty: give --from an instant before --until.")
    return since, until


def _billed_facts(each: BilledDay) -> dict[str, str]:
    return {
        "day": f"{each.day}",
        "model": each.model or "(the whole day)",
        "vendor_usd": "-" if each.vendor_nano is None else usd_text(each.vendor_nano),
        "booked_usd": usd_text(each.booked_nano),
        "state": "apart" if each.is_apart else "final" if each.is_final else "may still grow",
    }


def _vendor_cost_facts(found: VendorCost) -> dict[str, str | int]:
    return {
        "connection": found.connection,
        "model": found.model,
        "calls": found.calls,
        "calls_apart": found.apart,
        "cost_usd": usd_text(found.cost_nano),
        "vendor_cost_usd": usd_text(found.vendor_cost_nano),
        "difference_usd": usd_text(found.cost_nano - found.vendor_cost_nano),
        "furthest_attempt": found.furthest,
    }


def _amounts(before_nano: int, after_nano: int) -> tuple[str, str, str]:
    return (usd_text(before_nano), usd_text(after_nano), usd_text(after_nano - before_nano))


def _amount_facts(before_nano: int, after_nano: int) -> dict[str, str]:
    return dict(zip(("charged_usd", "now_usd", "difference_usd"), _amounts(before_nano, after_nano), strict=True))


def _rerating_facts(rerating: Rerating) -> dict[str, object]:
    return {
        "examined": rerating.examined,
        "unpriced": rerating.unpriced,
        "decided": rerating.decided,
        "differences": [
            {
                "team": each.team,
                "model": each.model,
                "attempts": each.attempts,
                **_amount_facts(each.before_nano, each.after_nano),
            }
            for each in rerating.differences
        ],
        "total": {"attempts": rerating.changed, **_amount_facts(rerating.before_nano, rerating.after_nano)},
    }


def _proof_facts(proof: Proof) -> dict[str, object]:
    return {name: getattr(proof, name) for name in proof.__struct_fields__}
