"""`bursar limits`."""

from typing import Any

from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation
from governance.commands.scope import add_narrowing_options, add_scope_options, group_id, scope_ids
from governance.core.clock import utc_now
from governance.core.errors import BadRequest
from governance.metering.queries import RateStanding, rate_standings
from governance.policy import limits, queries
from governance.policy.models import RateLimit
from governance.policy.rate_limit import Counts, LimitWindow


class Command(VerbCommand):
    """Rate limits."""

    help = "Set rate limits: requests or tokens per minute, hour or day, or requests at the same time."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "set", _set, words="Make a rate limit, or change the amount of the live one with that name.",
            example="bursar limits set 'Search, a minute' --counts requests --amount 600 --per minute --team search",
        )  # fmt: skip
        verb.add_argument("name", help="what to call it; the name of a live limit changes that limit's amount")
        verb.add_argument("--counts", choices=[each.value for each in Counts], help="default: requests")
        verb.add_argument("--amount", required=True, type=int, metavar="NUMBER", help="how many are allowed")
        verb.add_argument(
            "--per", choices=[each.value for each in LimitWindow], help="default: minute; not for concurrent requests"
        )
        add_scope_options(verb, does="does")
        add_narrowing_options(verb)
        verb.add_argument(
            "--per-member", action="store_true", help="each person, or key of no person, has the whole amount"
        )
        verb.add_argument("--reason", default="", help="kept in the audit trail")
        self.add_verb(
            "list", _list, words="Show what is taken and left in the current window.",
            example="bursar limits list --json",
        )  # fmt: skip
        verb = self.add_verb("retire", _retire, words="Let a limit end.", example="bursar limits retire 3")
        verb.add_argument("id", type=int, help="the limit's id")
        verb.add_argument("--reason", default="", help="kept in the audit trail")


def _set(options: dict[str, Any]) -> Answer:
    organisation = chosen_organisation(options)
    counts = Counts(options["counts"] or Counts.REQUESTS)
    window = options["per"] or (None if counts is Counts.CONCURRENT else LimitWindow.MINUTE)
    existing = queries.live_rate_limits(organisation_id=organisation.pk).filter(name=options["name"]).first()
    if existing is not None:
        _refuse_other_than_amount(existing, options)
        changed = limits.change_amount(
            actor=actor(), limit_id=existing.pk, amount=options["amount"], reason=options["reason"]
        )
        return _facts(changed)
    new = limits.NewRateLimit(
        organisation_id=organisation.pk,
        name=options["name"],
        counts=counts,
        amount=options["amount"],
        window=LimitWindow(window) if window is not None else None,
        model_pattern=options["model"] or "",
        model_group_id=group_id(organisation, options),
        provider=options["provider"] or "",
        is_per_member=options["per_member"],
        **scope_ids(organisation, options),
    )
    return _facts(limits.create(actor=actor(), new=new))


def _refuse_other_than_amount(existing: RateLimit, options: dict[str, Any]) -> None:
    """Repeating the command that made a limit is fine; changing what it counts, or whose it is, is not."""
    asked = scope_ids(existing.organisation, options)
    named = {"counts": "counts", "per": "window", "model": "model_pattern", "provider": "provider"}
    asked |= {field: options[option] for option, field in named.items() if options[option] is not None}
    if options["model_group"] is not None:
        asked["model_group_id"] = group_id(existing.organisation, options)
    if options["per_member"]:
        asked["sharing"] = RateLimit.Sharing.PER_MEMBER.value
    if any(getattr(existing, name) != value for name, value in asked.items()):
        raise BadRequest(
            f"The rate limit {existing.name!r} is there with another scope, window, sharing or thing that it counts, "
            "which never change: retire it, or choose another name."
        )


def _list(options: dict[str, Any]) -> Answer:
    found = queries.live_rate_limits(organisation_id=chosen_organisation(options).pk)
    return [_standing_facts(each) for each in rate_standings(limits=found, at=utc_now())]


def _retire(options: dict[str, Any]) -> Answer:
    return _facts(limits.retire(actor=actor(), limit_id=options["id"], reason=options["reason"]))


def _facts(limit: RateLimit) -> dict[str, Any]:
    (standing,) = rate_standings(limits=[limit], at=utc_now())
    return _standing_facts(standing)


def _standing_facts(standing: RateStanding) -> dict[str, Any]:
    limit = standing.limit
    return {
        "id": limit.pk,
        "name": limit.name,
        "scope": queries.limit_scope_text(limit),
        "only": [f"{kind} {name}" for kind, name in queries.limit_narrowed_to(limit)],
        "member": standing.member or None,
        "sharing": limit.sharing,
        "counts": limit.counts,
        "amount": limit.amount,
        "per": limit.window,
        "taken": standing.taken,
        "left": standing.left,
        "resets_at": standing.resets_at.isoformat() if standing.resets_at is not None else None,
    }
