"""`bursar budgets`."""

from typing import Any

from django.core.management.base import CommandParser

from governance.budgets import operations, queries
from governance.budgets.models import Budget
from governance.commands.base import Answer, VerbCommand, actor
from governance.core.clock import utc_now
from governance.core.money import parse_usd, usd_text
from governance.core.windows import WindowKind
from governance.keys import queries as keys
from governance.teams import queries as teams
from governance.teams.models import Organisation


class Command(VerbCommand):
    help = "Set budgets and see what is left of them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        verb = self.add_verb(
            "set", _set, words="Make a budget, or change the limit of the live budget with that name.",
            example="bursar budgets set 'Team search' --limit 250.00 --team search --window month",
        )  # fmt: skip
        verb.add_argument("name", help="what to call it; an existing live name changes that budget's limit")
        verb.add_argument("--limit", required=True, help="in USD, exact: 250.00")
        verb.add_argument("--window", default="month", choices=[kind.value for kind in WindowKind])
        verb.add_argument("--zone", default="UTC", help="the IANA zone in which periods begin")
        verb.add_argument("--unit", help="only what this business unit spends")
        verb.add_argument("--team", help="only what this team spends")
        verb.add_argument("--key", type=int, help="only what the key with this id spends")
        verb.add_argument("--model", default="", help="only calls to aliases that match this glob")
        verb.add_argument("--soft", action="store_true", help="count and tell, but never refuse")
        verb.add_argument("--reason", default="", help="kept in the audit trail")
        self.add_verb("list", _list, words="Show what is settled, held and left.", example="bursar budgets list --json")
        verb = self.add_verb("retire", _retire, words="Let a budget end.", example="bursar budgets retire 3")
        verb.add_argument("id", type=int, help="the budget's id")
        verb.add_argument("--reason", default="", help="kept in the audit trail")


def _set(options: dict[str, Any]) -> Answer:
    organisation = teams.organisation_named()
    limit = parse_usd(options["limit"])
    existing = queries.live_budgets(organisation_id=organisation.pk).filter(name=options["name"]).first()
    if existing is not None:
        return _facts(
            operations.change_limit(actor=actor(), budget_id=existing.pk, limit_nano=limit, reason=options["reason"])
        )
    new = operations.NewBudget(
        organisation_id=organisation.pk,
        name=options["name"],
        limit_nano=limit,
        window=WindowKind(options["window"]),
        zone=options["zone"],
        is_hard=not options["soft"],
        model_pattern=options["model"],
        **_scope(organisation, options),
    )
    return _facts(operations.create(actor=actor(), new=new))


def _scope(organisation: Organisation, options: dict[str, Any]) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    if options["unit"]:
        scope["unit_id"] = teams.unit_named(organisation=organisation, name=options["unit"]).pk
    if options["team"]:
        scope["team_id"] = teams.team_named(organisation=organisation, name=options["team"]).pk
    if options["key"]:
        scope["key_id"] = keys.key(key_id=options["key"]).pk
    return scope


def _list(options: dict[str, Any]) -> Answer:
    budgets = queries.live_budgets(organisation_id=teams.organisation_named().pk)
    return [_facts(each) for each in budgets]


def _retire(options: dict[str, Any]) -> Answer:
    return _facts(operations.retire(actor=actor(), budget_id=options["id"], reason=options["reason"]))


def _facts(budget: Budget) -> dict[str, Any]:
    (standing,) = queries.standings(budgets=[budget], at=utc_now())
    return {
        "id": budget.pk,
        "name": budget.name,
        "scope": queries.scope_text(budget),
        "window": budget.window,
        "limit_usd": usd_text(standing.limit_nano),
        "settled_usd": usd_text(standing.settled_nano),
        "held_usd": usd_text(standing.held_nano),
        "left_usd": usd_text(standing.left_nano),
        "resets_at": standing.period.ends_at.isoformat() if budget.window != WindowKind.TOTAL else None,
    }
