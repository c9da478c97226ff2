"""`bursar budgets`."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import CommandParser

from governance.alerts.queries import forecast
from governance.budgets import increases, operations, queries
from governance.budgets.models import Budget, Increase
from governance.budgets.narrowing import split_tag
from governance.budgets.thresholds import parse_threshold
from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation
from governance.commands.parsing import instant
from governance.commands.scope import add_narrowing_options, add_scope_options, group_id, scope_ids
from governance.core.clock import utc_now
from governance.core.errors import BadRequest
from governance.core.money import parse_usd, usd_text
from governance.core.windows import WindowKind
from governance.keys import queries as keys
from governance.teams import queries as teams


class Command(VerbCommand):
    """Budgets."""

    help = "Set budgets and see what is left of them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "set", _set, words="Make a budget, or change limit and thresholds of the live budget with that name.",
            example="bursar budgets set 'Team search' --limit 250.00 --team search --window month",
        )  # fmt: skip
        verb.add_argument("name", help="what to call it; the name of a live budget changes that budget")
        verb.add_argument("--limit", required=True, metavar="USD", help="exact: 250.00")
        verb.add_argument("--window", choices=[kind.value for kind in WindowKind], help="default: month")
        verb.add_argument("--zone", help="the IANA zone in which periods begin (default: the organisation's)")
        add_scope_options(verb, does="spends")
        verb.add_argument("--first-month", type=int, metavar="NUMBER", help="where the fiscal year begins (default: 1)")
        add_narrowing_options(verb)
        verb.add_argument("--tag", metavar="NAME=VALUE", help="only calls with this tag; * stands for any value")
        verb.add_argument(
            "--per-member", action="store_true", help="each person, or key of no person, has the whole limit"
        )
        verb.add_argument("--carry-over", action="store_true", help="what is left of a period goes into the next")
        verb.add_argument("--carry-cap", metavar="USD", help="carry over at most this much")
        verb.add_argument(
            "--threshold", action="append", metavar="PERCENT",
            help="tell at this share of the limit; '90 committed' counts what is held too; any number of them "
                 "(default: 50, 80 and 100). For a budget that is there, these replace the ones it has",
        )  # fmt: skip
        verb.add_argument("--soft", action="store_true", help="count and tell, but never refuse")
        verb.add_argument("--reason", default="", help="kept in the audit trail")
        self.add_verb(
            "list",
            _list,
            words="Show what is settled, held and left, and when it runs out at the pace so far.",
            example="bursar budgets list --json",
        )
        verb = self.add_verb(
            "members", _members, words="Show what is left of each member's share, those with least first.",
            example="bursar budgets members 3",
        )  # fmt: skip
        verb.add_argument("id", type=int, help="the budget's id")
        self._add_increase_verbs()
        verb = self.add_verb("retire", _retire, words="Let a budget end.", example="bursar budgets retire 3")
        verb.add_argument("id", type=int, help="the budget's id")
        verb.add_argument("--reason", default="", help="kept in the audit trail")

    def _add_increase_verbs(self) -> None:
        verb = self.add_verb(
            "increase", _increase, words="Give a budget more money until an instant; then it ends by itself.",
            example="bursar budgets increase 3 --amount 50.00 --until 2026-12-24T18:00:00+01:00 --reason 'load test'",
        )  # fmt: skip
        verb.add_argument("id", type=int, help="the budget's id")
        verb.add_argument("--amount", required=True, metavar="USD", help="how much more, exact: 50.00")
        verb.add_argument("--from", dest="since", metavar="TIME", help="ISO date and time (default: now)")
        verb.add_argument("--until", required=True, metavar="TIME", help="ISO date and time, UTC without a zone")
        verb.add_argument("--user", metavar="EMAIL", help="of a budget with members: for this person alone")
        verb.add_argument("--key", metavar="ID", help="of a budget with members: for this key alone")
        verb.add_argument("--reason", default="", help="kept in the audit trail")
        self.add_verb(
            "increases", _increases, words="List the increases in force and to come.",
            example="bursar budgets increases --json",
        )  # fmt: skip
        verb = self.add_verb(
            "end-increase", _end_increase, words="End an increase at once.", example="bursar budgets end-increase 5"
        )
        verb.add_argument("id", type=int, help="the increase's id")
        verb.add_argument("--reason", default="", help="kept in the audit trail")


def _set(options: dict[str, Any]) -> Answer:
    organisation = chosen_organisation(options)
    limit = parse_usd(options["limit"])
    thresholds = [parse_threshold(text) for text in options["threshold"] or ()]
    existing = queries.live_budgets(organisation_id=organisation.pk).filter(name=options["name"]).first()
    if existing is not None:
        _refuse_other_than_limit(existing, options)
        return _facts(
            operations.change(
                actor=actor(),
                budget_id=existing.pk,
                limit_nano=limit,
                thresholds=thresholds or None,
                reason=options["reason"],
            )
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
        model_group_id=group_id(organisation, options),
        provider=options["provider"] or "",
        tag=options["tag"] or "",
        is_per_member=options["per_member"],
        carries_over=options["carry_over"],
        carry_cap_nano=_cap(options),
        thresholds=thresholds or operations.DEFAULT_THRESHOLDS,
        **scope_ids(organisation, options),
    )
    return _facts(operations.create(actor=actor(), new=new))


def _refuse_other_than_limit(existing: Budget, options: dict[str, Any]) -> None:
    """Repeating the command that made a budget is fine; changing whose it is, or its window, is not."""
    asked = {
        **scope_ids(existing.organisation, options),
        **{name: options[name] for name in ("window", "zone", "first_month", "provider") if options[name] is not None},
    }
    if options["model"] is not None:
        asked["model_pattern"] = options["model"]
    if options["model_group"] is not None:
        asked["model_group_id"] = group_id(existing.organisation, options)
    if options["tag"] is not None:
        asked["tag_name"], asked["tag_value"] = split_tag(options["tag"])
    if options["per_member"]:
        asked["sharing"] = Budget.Sharing.PER_MEMBER.value
    if options["carry_over"]:
        asked["carries_over"] = True
    if options["carry_cap"] is not None:
        asked["carry_cap_nano"] = _cap(options)
    if options["soft"]:
        asked["enforcement"] = Budget.Enforcement.SOFT.value
    if any(getattr(existing, name) != value for name, value in asked.items()):
        raise BadRequest(
            f"The budget {existing.name!r} is there with another scope, window, sharing, enforcement or carry-over, "
            "which never change: retire it, or choose another name."
        )


def _list(options: dict[str, Any]) -> Answer:
    budgets = queries.live_budgets(organisation_id=chosen_organisation(options).pk)
    at = utc_now()
    return [_standing_facts(each, at) for each in queries.standings(budgets=budgets, at=at)]


def _cap(options: dict[str, Any]) -> int | None:
    return parse_usd(options["carry_cap"]) if options["carry_cap"] is not None else None


def _members(options: dict[str, Any]) -> Answer:
    budget = queries.budget(budget_id=options["id"])
    at = utc_now()
    return [_standing_facts(each, at) for each in queries.member_standings(budget=budget, at=at)]


def _increase(options: dict[str, Any]) -> Answer:
    now = utc_now()
    new = increases.NewIncrease(
        budget_id=options["id"],
        amount_nano=parse_usd(options["amount"]),
        starts_at=instant(options["since"]) or now,
        ends_at=instant(options["until"]) or now,
        reason=options["reason"],
        user_id=teams.person_named(email=options["user"]).pk if options["user"] else None,
        key_id=keys.key_named(text=options["key"]).pk if options["key"] else None,
    )
    return _increase_facts(increases.give(actor=actor(), new=new, at=now))


def _increases(options: dict[str, Any]) -> Answer:
    budgets = queries.live_budgets(organisation_id=chosen_organisation(options).pk)
    return [_increase_facts(each) for each in queries.increases_of(budgets=budgets, at=utc_now())]


def _end_increase(options: dict[str, Any]) -> Answer:
    return _increase_facts(increases.withdraw(actor=actor(), increase_id=options["id"], reason=options["reason"]))


def _increase_facts(increase: Increase) -> dict[str, Any]:
    return {
        "id": increase.pk,
        "budget": increase.budget.name,
        "member": queries.member_text(increase) or None,
        "amount_usd": usd_text(increase.amount_nano),
        "starts_at": increase.starts_at.isoformat(),
        "ends_at": increase.ends_at.isoformat(),
        "withdrawn_at": increase.withdrawn_at.isoformat() if increase.withdrawn_at is not None else None,
        "reason": increase.reason,
    }


def _retire(options: dict[str, Any]) -> Answer:
    return _facts(operations.retire(actor=actor(), budget_id=options["id"], reason=options["reason"]))


def _facts(budget: Budget) -> dict[str, Any]:
    at = utc_now()
    (standing,) = queries.standings(budgets=[budget], at=at)
    return {**_standing_facts(standing, at), "thresholds": [str(each) for each in budget.thresholds.all()]}


def _standing_facts(standing: queries.Standing, at: datetime) -> dict[str, Any]:
    budget = standing.budget
    runs_out_at = forecast(standing=standing, at=at)
    return {
        "id": budget.pk,
        "name": budget.name,
        "scope": queries.scope_text(budget),
        "only": [f"{kind} {name}" for kind, name in queries.narrowed_to(budget)],
        "member": standing.member or None,
        "window": budget.window,
        "sharing": budget.sharing,
        "enforcement": budget.enforcement,
        "limit_usd": usd_text(standing.limit_nano),
        "carried_usd": usd_text(standing.carried_nano),
        "settled_usd": usd_text(standing.settled_nano),
        "held_usd": usd_text(standing.held_nano),
        "left_usd": usd_text(standing.left_nano),
        "runs_out_on": f"{runs_out_at.astimezone(ZoneInfo(budget.zone)):%Y-%m-%d}" if runs_out_at else None,
        "resets_at": standing.period.ends_at.isoformat() if budget.window != WindowKind.TOTAL else None,
    }
