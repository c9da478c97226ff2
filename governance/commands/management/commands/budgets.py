"""`bursar budgets`."""

from typing import Any

from django.core.management.base import CommandParser

from governance.budgets import operations, queries
from governance.budgets.models import Budget
from governance.budgets.narrowing import split_tag
from governance.catalog import queries as catalog
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
        verb.add_argument("--first-month", type=int, metavar="NUMBER", help="where the fiscal year begins (default: 1)")
        verb.add_argument("--model", metavar="PATTERN", help="only calls to aliases that match this glob")
        verb.add_argument("--model-group", metavar="NAME", help="only calls to aliases of this access group")
        verb.add_argument("--provider", metavar="NAME", help="only calls that this provider answers")
        verb.add_argument("--tag", metavar="NAME=VALUE", help="only calls with this tag; * stands for any value")
        verb.add_argument("--threshold", type=int, action="append", metavar="PERCENT", help="default: 50, 80 and 100")
        verb.add_argument("--soft", action="store_true", help="count and tell, but never refuse")
        verb.add_argument("--reason", default="", help="kept in the audit trail")
        self.add_verb("list", _list, words="Show what is settled, held and left.", example="bursar budgets list --json")
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
        first_month=options["first_month"] or 1,
        is_hard=not options["soft"],
        model_pattern=options["model"] or "",
        model_group_id=_group_id(organisation, options),
        provider=options["provider"] or "",
        tag=options["tag"] or "",
        thresholds=options["threshold"] or operations.DEFAULT_THRESHOLDS,
        **_scope(organisation, options),
    )
    return _facts(operations.create(actor=actor(), new=new))


def _refuse_other_than_limit(existing: Budget, options: dict[str, Any]) -> None:
    """Repeating the command that made a budget is fine; changing whose it is, or its window, is not."""
    asked = {
        **_scope(existing.organisation, options),
        **{name: options[name] for name in ("window", "zone", "first_month", "provider") if options[name] is not None},
    }
    if options["model"] is not None:
        asked["model_pattern"] = options["model"]
    if options["model_group"] is not None:
        asked["model_group_id"] = _group_id(existing.organisation, options)
    if options["tag"] is not None:
        asked["tag_name"], asked["tag_value"] = split_tag(options["tag"])
    if options["soft"]:
        asked["enforcement"] = Budget.Enforcement.SOFT.value
    if any(getattr(existing, name) != value for name, value in asked.items()):
        raise BadRequest(
            f"The budget {existing.name!r} is there with another scope, window or enforcement, which never change: "
            "retire it, or choose another name."
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


def _group_id(organisation: Organisation, options: dict[str, Any]) -> int | None:
    name = options["model_group"]
    return catalog.group_named(organisation=organisation, name=name).pk if name else None


def _list(options: dict[str, Any]) -> Answer:
    budgets = queries.live_budgets(organisation_id=chosen_organisation(options).pk)
    return [_standing_facts(each) for each in queries.standings(budgets=budgets, at=utc_now())]


def _retire(options: dict[str, Any]) -> Answer:
    return _facts(operations.retire(actor=actor(), budget_id=options["id"], reason=options["reason"]))


def _facts(budget: Budget) -> dict[str, Any]:
    (standing,) = queries.standings(budgets=[budget], at=utc_now())
    return _standing_facts(standing)


def _standing_facts(standing: queries.Standing) -> dict[str, Any]:
    budget = standing.budget
    return {
        "id": budget.pk,
        "name": budget.name,
        "scope": queries.scope_text(budget),
        "only": [f"{kind} {name}" for kind, name in queries.narrowed_to(budget)],
        "window": budget.window,
        "enforcement": budget.enforcement,
        "limit_usd": usd_text(standing.limit_nano),
        "settled_usd": usd_text(standing.settled_nano),
        "held_usd": usd_text(standing.held_nano),
        "left_usd": usd_text(standing.left_nano),
        "resets_at": standing.period.ends_at.isoformat() if budget.window != WindowKind.TOTAL else None,
    }
