"""`bursar budgets`."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import CommandParser

from governance.alerts.queries import forecast
from governance.budgets import operations, queries
from governance.budgets.models import Budget
from governance.budgets.thresholds import parse_threshold
from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation
from governance.core.clock import utc_now
from governance.core.errors import BadRequest
from governance.core.money import parse_usd, usd_text
from governance.core.windows import WindowKind
from governance.keys import queries as keys
from governance.teams import queries as teams
from governance.teams.models import Organisation


class Command(VerbCommand):
    """Budgets."""

    help = "Set budgets and see what is left of them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "set", _set, words="Make a budget, or change the limit of the live budget with that name.",
            example="bursar budgets set 'Team search' --limit 250.00 --team search --window month",
        )  # fmt: skip
        verb.add_argument("name", help="what to call it; the name of a live budget changes that budget's limit")
        verb.add_argument("--limit", required=True, metavar="USD", help="exact: 250.00")
        verb.add_argument("--window", choices=[kind.value for kind in WindowKind], help="default: month")
        verb.add_argument("--zone", help="the IANA zone in which periods begin (default: the organisation's)")
        verb.add_argument("--unit", metavar="NAME", help="only what this business unit spends")
        verb.add_argument("--team", metavar="NAME", help="only what this team spends")
        verb.add_argument("--key", metavar="ID", help="only what this key spends: its id, or bsr_... of its text")
        verb.add_argument("--user", metavar="EMAIL", help="only what this person's keys spend")
        verb.add_argument("--model", metavar="PATTERN", help="only calls to aliases that match this glob")
        verb.add_argument(
            "--threshold", action="append", metavar="PERCENT",
            help="tell at this share of the limit; '90 committed' counts what is held too; any number of them "
                 "(default: 50, 80 and 100)",
        )  # fmt: skip
        verb.add_argument("--soft", action="store_true", help="count and tell, but never refuse")
        verb.add_argument("--reason", default="", help="kept in the audit trail")
        self.add_verb(
            "list",
            _list,
            words="Show what is settled, held and left, and when it runs out at the pace so far.",
            example="bursar budgets list --json",
        )
        verb = self.add_verb("retire", _retire, words="Let a budget end.", example="bursar budgets retire 3")
        verb.add_argument("id", type=int, help="the budget's id")
        verb.add_argument("--reason", default="", help="kept in the audit trail")


def _set(options: dict[str, Any]) -> Answer:
    organisation = chosen_organisation(options)
    limit = parse_usd(options["limit"])
    existing = queries.live_budgets(organisation_id=organisation.pk).filter(name=options["name"]).first()
    if existing is not None:
        _refuse_other_than_limit(existing, options)
        return _facts(
            operations.change_limit(actor=actor(), budget_id=existing.pk, limit_nano=limit, reason=options["reason"])
        )
    new = operations.NewBudget(
        organisation_id=organisation.pk,
        name=options["name"],
        limit_nano=limit,
        window=WindowKind(options["window"] or WindowKind.MONTH),
        zone=options["zone"] or organisation.zone,
        is_hard=not options["soft"],
        model_pattern=options["model"] or "",
        thresholds=[parse_threshold(text) for text in options["threshold"] or ()] or operations.DEFAULT_THRESHOLDS,
        **_scope(organisation, options),
    )
    return _facts(operations.create(actor=actor(), new=new))


def _refuse_other_than_limit(existing: Budget, options: dict[str, Any]) -> None:
    """Repeating the command that made a budget is fine; changing whose it is, or its window, is not."""
    asked = {
        **_scope(existing.organisation, options),
        **{name: options[name] for name in ("window", "zone") if options[name] is not None},
    }
    if options["model"] is not None:
        asked["model_pattern"] = options["model"]
    if options["soft"]:
        asked["enforcement"] = Budget.Enforcement.SOFT.value
    if any(getattr(existing, name) != value for name, value in asked.items()):
        raise BadRequest(
            f"The budget {existing.name!r} is there with another scope, window, zone, model or enforcement, which "
            "never change: retire it, or choose another name."
        )


def _scope(organisation: Organisation, options: dict[str, Any]) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    if options["unit"]:
        scope["unit_id"] = teams.unit_named(organisation=organisation, name=options["unit"]).pk
    if options["team"]:
        scope["team_id"] = teams.team_named(organisation=organisation, name=options["team"]).pk
    if options["key"]:
        scope["key_id"] = keys.key_named(text=options["key"]).pk
    if options["user"]:
        scope["user_id"] = teams.person_named(email=options["user"]).pk
    return scope


def _list(options: dict[str, Any]) -> Answer:
    budgets = queries.live_budgets(organisation_id=chosen_organisation(options).pk)
    at = utc_now()
    return [_standing_facts(each, at) for each in queries.standings(budgets=budgets, at=at)]


def _retire(options: dict[str, Any]) -> Answer:
    return _facts(operations.retire(actor=actor(), budget_id=options["id"], reason=options["reason"]))


def _facts(budget: Budget) -> dict[str, Any]:
    at = utc_now()
    (standing,) = queries.standings(budgets=[budget], at=at)
    return _standing_facts(standing, at)


def _standing_facts(standing: queries.Standing, at: datetime) -> dict[str, Any]:
    budget = standing.budget
    runs_out_at = forecast(standing=standing, at=at)
    return {
        "id": budget.pk,
        "name": budget.name,
        "scope": queries.scope_text(budget),
        "window": budget.window,
        "enforcement": budget.enforcement,
        "limit_usd": usd_text(standing.limit_nano),
        "settled_usd": usd_text(standing.settled_nano),
        "held_usd": usd_text(standing.held_nano),
        "left_usd": usd_text(standing.left_nano),
        "runs_out_on": f"{runs_out_at.astimezone(ZoneInfo(budget.zone)):%Y-%m-%d}" if runs_out_at else None,
        "resets_at": standing.period.ends_at.isoformat() if budget.window != WindowKind.TOTAL else None,
    }
