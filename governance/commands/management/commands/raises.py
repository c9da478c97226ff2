"""`bursar raises`."""

from typing import Any

from django.core.management.base import CommandParser

from governance.budgets import queries, requests
from governance.budgets.models import IncreaseRequest
from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation
from governance.commands.parsing import instant
from governance.core.clock import utc_now
from governance.core.money import parse_usd, usd_text
from governance.teams import queries as teams


class Command(VerbCommand):
    """Requests for more money."""

    help = "Ask for more money in a budget, and decide: who asks never decides."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "ask", _ask, words="Ask for more money in a budget that the person spends from.",
            example="bursar raises ask 3 --amount 50.00 --until 2026-12-24 --reason 'load test' --as ada@acme.example",
        )  # fmt: skip
        verb.add_argument("budget", type=int, help="the budget's id")
        verb.add_argument("--amount", required=True, metavar="USD", help="how much more, exact: 50.00")
        verb.add_argument("--until", metavar="TIME", help="ISO date and time, UTC without a zone; none: for good")
        verb.add_argument("--reason", required=True, help="what it is for")
        verb.add_argument("--as", dest="person", required=True, metavar="EMAIL", help="who asks")
        verb = self.add_verb("list", _list, words="List the requests.", example="bursar raises list --all --json")
        verb.add_argument("--all", action="store_true", help="decided ones too")
        verb = self.add_verb(
            "approve", _approve, words="Give what was asked for, or another amount.",
            example="bursar raises approve 7 --amount 25.00 --as finance@acme.example",
        )  # fmt: skip
        verb.add_argument("--amount", metavar="USD", help="another amount than was asked for")
        verb.add_argument("--reason", default="", help="the answer; kept in the audit trail")
        self._add_deciders_arguments(verb, "who decides: an administrator or finance, not who asked")
        verb = self.add_verb(
            "decline", _decline, words="Give nothing, and say why.",
            example="bursar raises decline 7 --reason 'not this quarter' --as finance@acme.example",
        )  # fmt: skip
        verb.add_argument("--reason", required=True, help="the answer; kept in the audit trail")
        self._add_deciders_arguments(verb, "who decides: an administrator or finance, not who asked")
        verb = self.add_verb(
            "withdraw", _withdraw, words="Take one's own request back.",
            example="bursar raises withdraw 7 --as ada@acme.example",
        )  # fmt: skip
        self._add_deciders_arguments(verb, "who asked")

    def _add_deciders_arguments(self, verb: Any, who: str) -> None:
        verb.add_argument("id", type=int, help="the request's id")
        verb.add_argument("--as", dest="person", required=True, metavar="EMAIL", help=who)


def _ask(options: dict[str, Any]) -> Answer:
    new = requests.NewRequest(
        budget_id=options["budget"],
        amount_nano=parse_usd(options["amount"]),
        until=instant(options["until"]),
        reason=options["reason"],
    )
    requester = teams.person_named(email=options["person"])
    return _facts(requests.ask(actor=actor(), requester=requester, new=new, at=utc_now()))


def _list(options: dict[str, Any]) -> Answer:
    found = queries.increase_requests(organisation_id=chosen_organisation(options).pk)
    return [_facts(each) for each in (found if options["all"] else found.filter(state=IncreaseRequest.State.OPEN))]


def _approve(options: dict[str, Any]) -> Answer:
    request = requests.approve(
        actor=actor(),
        decider=teams.person_named(email=options["person"]),
        request_id=options["id"],
        amount_nano=parse_usd(options["amount"]) if options["amount"] is not None else None,
        reason=options["reason"],
        at=utc_now(),
    )
    return _facts(request)


def _decline(options: dict[str, Any]) -> Answer:
    decider = teams.person_named(email=options["person"])
    return _facts(
        requests.decline(
            actor=actor(), decider=decider, request_id=options["id"], reason=options["reason"], at=utc_now()
        )
    )


def _withdraw(options: dict[str, Any]) -> Answer:
    requester = teams.person_named(email=options["person"])
    return _facts(requests.withdraw(actor=actor(), requester=requester, request_id=options["id"], at=utc_now()))


def _facts(request: IncreaseRequest) -> dict[str, Any]:
    return {
        "id": request.pk,
        "budget": request.budget.name,
        "requested_by": request.requested_by.email,
        "amount_usd": usd_text(request.amount_nano),
        "until": request.until.isoformat() if request.until is not None else None,
        "reason": request.reason,
        "state": request.state,
        "decided_by": request.decided_by.email if request.decided_by is not None else None,
        "granted_usd": usd_text(request.granted_nano) if request.granted_nano is not None else None,
        "answer": request.decision_reason,
    }
