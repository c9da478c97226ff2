"""`bursar usage`."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from governance.commands.base import as_text
from governance.core.errors import BursarError
from governance.core.money import usd_text
from governance.keys.queries import key as key_by_id
from governance.ledger.queries import usage_totals
from governance.teams.queries import organisation_named, team_named


class Command(BaseCommand):
    help = "Show tokens, requests and cost of a key, a team or everything. Example: bursar usage --key 12 --json"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--key", type=int, help="the key's id")
        parser.add_argument("--team", help="the team's name")
        parser.add_argument("--json", action="store_true", help="print JSON; cost_usd is an exact decimal string")

    def handle(self, *_: object, **options: Any) -> None:
        try:
            team = team_named(organisation=organisation_named(), name=options["team"]) if options["team"] else None
            key = key_by_id(key_id=options["key"]) if options["key"] else None
        except BursarError as error:
            raise CommandError(str(error)) from error
        totals = usage_totals(key_id=key.pk if key else None, team_id=team.pk if team else None)
        facts = {
            "requests": totals.requests,
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "cost_usd": usd_text(totals.charge_nano),
        }
        self.stdout.write(json.dumps(facts) if options["json"] else as_text(facts))
