"""`bursar keys`."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from governance.budgets.operations import NewBudget
from governance.budgets.operations import create as create_budget
from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation, environment
from governance.commands.parsing import instant, pairs
from governance.core.clock import utc_now
from governance.core.money import parse_usd
from governance.core.windows import WindowKind
from governance.keys import operations, queries
from governance.keys.models import VirtualKey
from governance.policy.operations import Level, allow
from governance.policy.queries import may_call
from governance.teams import queries as teams


class Command(VerbCommand):
    """Keys."""

    help = "Issue, list, rotate and revoke virtual keys."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "issue", _issue, words="Issue a key. Its text is shown once and kept nowhere.",
            example="bursar keys issue --team default --budget 1.00 --window total --json",
        )  # fmt: skip
        verb.add_argument("--team", required=True, help="the team it belongs to")
        verb.add_argument("--user", metavar="EMAIL", help="the person it belongs to; without: to the team as a whole")
        verb.add_argument("--name", default="", help="what to call it")
        verb.add_argument("--budget", metavar="USD", help="a hard budget of its own, exact: 1.00")
        verb.add_argument("--window", default="month", choices=[kind.value for kind in WindowKind], help="its window")
        verb.add_argument("--zone", help="the IANA zone in which the window begins (default: the organisation's)")
        verb.add_argument("--expires", metavar="TIME", help="after which it does not work, such as 2026-12-31")
        verb.add_argument(
            "--allow", action="append", default=[], metavar="PATTERN", help="an alias or glob; none: what the team may"
        )
        verb.add_argument("--max-output-tokens", type=int, metavar="N", help="for requests that name no maximum")
        verb.add_argument("--tag", action="append", default=[], metavar="NAME=VALUE", help="added to each request")
        verb = self.add_verb("list", _list, words="List keys.", example="bursar keys list --team default --json")
        verb.add_argument("--team", help="only this team's")
        verb = self.add_verb("revoke", _revoke, words="Stop a key everywhere.", example="bursar keys revoke 12")
        verb.add_argument("key", help="its id, or the beginning bsr_... of its text")
        verb.add_argument("--reason", default="", help="kept in the audit trail")
        verb = self.add_verb(
            "rotate", _rotate, words="Give a key a new text; the old one works for a while.",
            example="bursar keys rotate 12 --grace-hours 24 --json",
        )  # fmt: skip
        verb.add_argument("key", help="its id, or the beginning bsr_... of its text")
        verb.add_argument("--grace-hours", type=int, default=24, metavar="N", help="how long the old text works")
        verb = self.add_verb(
            "may", _may, words="Say whether a key may call an alias, and which rule decides.",
            example="bursar keys may 12 sandbox-1",
        )  # fmt: skip
        verb.add_argument("key", help="its id, or the beginning bsr_... of its text")
        verb.add_argument("alias", help="the name clients use")


@transaction.atomic
def _issue(options: dict[str, Any]) -> Answer:
    team = teams.team_named(organisation=chosen_organisation(options), name=options["team"])
    new = operations.NewKey(
        team_id=team.pk,
        name=options["name"] or team.name,
        user_id=teams.person_named(email=options["user"]).pk if options["user"] else None,
        default_tags=pairs(options["tag"], what="tag"),
        default_max_output_tokens=options["max_output_tokens"],
        expires_at=instant(options["expires"]),
    )
    issued = operations.issue(actor=actor(), at=utc_now(), pepper=environment().key_pepper, new=new)
    for pattern in options["allow"]:
        allow(actor=actor(), level=Level(organisation_id=team.organisation_id, key_id=issued.key.pk), pattern=pattern)
    if options["budget"] is not None:
        budget = NewBudget(
            organisation_id=team.organisation_id,
            name=f"Key {issued.key.pk}",
            limit_nano=parse_usd(options["budget"]),
            window=WindowKind(options["window"]),
            zone=options["zone"] or team.organisation.zone,
            key_id=issued.key.pk,
        )
        create_budget(actor=actor(), new=budget)
    return {"id": issued.key.pk, "key": issued.text}


def _list(options: dict[str, Any]) -> Answer:
    organisation = chosen_organisation(options)
    team = teams.team_named(organisation=organisation, name=options["team"]) if options["team"] else None
    found = queries.keys_of(organisation_id=organisation.pk, team_id=team.pk if team else None)
    return [_facts(key) for key in found]


def _revoke(options: dict[str, Any]) -> Answer:
    key = _named(options["key"])
    return _facts(operations.revoke(actor=actor(), at=utc_now(), key_id=key.pk, reason=options["reason"]))


def _rotate(options: dict[str, Any]) -> Answer:
    issued = operations.rotate(
        actor=actor(),
        at=utc_now(),
        key_id=_named(options["key"]).pk,
        pepper=environment().key_pepper,
        grace=timedelta(hours=options["grace_hours"]),
    )
    return {"id": issued.key.pk, "key": issued.text}


def _may(options: dict[str, Any]) -> Answer:
    decision = may_call(key_id=_named(options["key"]).pk, alias=options["alias"])
    return {"may_call": decision.is_allowed, "decided_by": decision.level, "pattern": decision.pattern}


def _named(text: str) -> VirtualKey:
    return queries.key_named(text=text)


def _facts(key: VirtualKey) -> dict[str, Any]:
    use = getattr(key, "use", None)
    return {
        "id": key.pk,
        "name": key.name,
        "team": key.team.name,
        "user": str(key.user) if key.user is not None else None,
        "prefix": queries.prefix(key=key),
        "state": queries.state(key=key, at=utc_now()).value,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "last_used_at": use.last_used_at.isoformat() if use else None,
    }
