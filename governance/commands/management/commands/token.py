"""`bursar token`: tokens for the management API."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation, environment
from governance.core.clock import utc_now
from governance.teams import queries as teams
from governance.tokens import operations, queries
from governance.tokens.models import Token
from governance.tokens.operations import NewToken
from governance.tokens.scopes import SCOPES

_DAYS = 90


class Command(VerbCommand):
    """Tokens."""

    help = "Issue, list and revoke tokens for the management API (/api/v1)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "issue", _issue, words="Issue a token and show its text once: a person's, or without --user a service's.",
            example="bursar token issue deploy --scope keys:write --scope budgets:read\n"
            "  bursar token issue laptop --user ada@acme.example --scope all:read --days 30",
        )  # fmt: skip
        verb.add_argument("name", help="what it is for")
        verb.add_argument("--user", metavar="EMAIL", help="whose: it may then at most what this person may")
        verb.add_argument(
            "--scope", action="append", default=[], metavar="SCOPE", help=f"what it is for: {', '.join(SCOPES)}"
        )
        verb.add_argument(
            "--days",
            type=int,
            default=_DAYS,
            help=f"after how many days it ends (default: {_DAYS}); 0: never by itself",
        )
        self.add_verb("list", _list, words="List the tokens.", example="bursar token list --json")
        verb = self.add_verb(
            "revoke", _revoke, words="Stop a token for good.", example="bursar token revoke 3 --reason 'laptop lost'"
        )
        verb.add_argument("token", type=int, help="its id, as `bursar token list` shows it")
        verb.add_argument("--reason", default="", help="kept in the audit trail")


def _issue(options: dict[str, Any]) -> Answer:
    at, user = utc_now(), options["user"]
    issued = operations.issue(
        actor=actor(),
        at=at,
        pepper=environment().key_pepper,
        new=NewToken(
            organisation_id=chosen_organisation(options).pk,
            name=options["name"],
            scopes=options["scope"],
            user_id=teams.person_named(email=user).pk if user else None,
            expires_at=at + timedelta(days=min(options["days"], 10_000)) if options["days"] else None,
        ),
    )
    return {**_facts(issued.token), "text": issued.text}


def _list(options: dict[str, Any]) -> Answer:
    return [_facts(token) for token in queries.tokens_of(organisation_id=chosen_organisation(options).pk)]


def _revoke(options: dict[str, Any]) -> Answer:
    return _facts(operations.revoke(actor=actor(), at=utc_now(), token_id=options["token"], reason=options["reason"]))


def _facts(token: Token) -> dict[str, Any]:
    use = getattr(token, "use", None)
    return {
        "id": token.pk,
        "name": token.name,
        "prefix": queries.prefix(token=token),
        "whose": token.user.email if token.user is not None else "service",
        "scopes": token.scopes,
        "state": str(queries.state(token=token, at=utc_now())),
        "expires_at": token.expires_at.isoformat() if token.expires_at is not None else None,
        "last_used_at": use.last_used_at.isoformat() if use is not None else None,
    }
