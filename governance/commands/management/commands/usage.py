"""`bursar usage`: tokens, requests and cost of a key, a team, or everything."""

from typing import Any

from django.core.management.base import CommandParser

from governance.commands.base import chosen_organisation
from governance.commands.parsing import instant
from governance.commands.printing import PrintingCommand
from governance.core.money import usd_text
from governance.keys.queries import key_named
from governance.ledger.queries import usage_totals
from governance.teams.queries import team_named


class Command(PrintingCommand):
    """Print sums over what was booked."""

    help = (
        "Show requests, tokens and cost of what was booked: of a key, of a team, or of everything. Calls still in "
        "flight are not in it. Cost is what is charged, exact in USD; as JSON it is a decimal string."
    )
    example = (
        "  bursar usage\n  bursar usage --team search --since 2026-11-01\n  bursar usage --key 12 --json\n"
        "  bursar usage --key bsr_5Z6dZE1aipP6"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare whose usage, and of when."""
        parser.add_argument("--key", metavar="ID", help="a key's id, or the beginning bsr_... of its text")
        parser.add_argument("--team", metavar="NAME", help="a team")
        parser.add_argument("--since", metavar="TIME", help="calls admitted from then on, such as 2026-11-01")
        parser.add_argument("--until", metavar="TIME", help="calls admitted before then")
        parser.add_argument("--organisation", metavar="NAME", help="whose team, where there are several")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        """Sum up and print."""
        team = team_named(organisation=chosen_organisation(options), name=options["team"]) if options["team"] else None
        key = key_named(text=options["key"]) if options["key"] is not None else None
        totals = usage_totals(
            key_id=key.pk if key is not None else None,
            team_id=team.pk if team is not None else None,
            since=instant(options["since"]),
            until=instant(options["until"]),
        )
        facts: dict[str, str | int] = {
            "requests": totals.requests,
            "tokens": totals.input_tokens + totals.output_tokens,
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost_usd": usd_text(totals.charge_nano),
        }
        if options["json"]:
            self.print_json(facts)
        else:
            self.print_table(tuple(name.upper().replace("_", " ") for name in facts), [tuple(facts.values())])
