"""`bursar prompts`: requests and replies of teams that store them."""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation, environment
from governance.core.errors import BadRequest
from governance.prompts import operations, queries
from governance.prompts.models import PromptStorage
from governance.teams.queries import team_named


class Command(VerbCommand):
    """Stored prompts."""

    help = "Store a team's requests and replies, sealed, for a time; read and erase them. By default none are."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "on", _on, words="Store a team's requests and replies from now on, or change how.",
            example="bursar prompts on search --days 30 --kibibytes 256",
        )  # fmt: skip
        verb.add_argument("team", help="the team's name")
        verb.add_argument("--days", type=int, default=30, help="how long they are stored (default: 30)")
        verb.add_argument(
            "--kibibytes", type=int, default=256, help="how much of a request, and of its reply (default: 256)"
        )
        verb = self.add_verb(
            "off", _off, words="Store nothing of a team's any more, and erase what is stored, with its key.",
            example='bursar prompts off search --reason "the pilot is over"',
        )  # fmt: skip
        verb.add_argument("team", help="the team's name")
        verb.add_argument("--reason", default="", help="why; the audit trail keeps it")
        self.add_verb("list", _list, words="List the teams that store prompts.", example="bursar prompts list --json")
        verb = self.add_verb(
            "show", _show, words="Show what is stored of a request. The audit trail keeps who looked.",
            example='bursar prompts show 01a22f10-89a3-75f8-a218-c2bd7b51ecb3 --reason "ticket 4711"',
        )  # fmt: skip
        verb.add_argument("request", help="the request's id: x-request-id of its reply")
        verb.add_argument("--reason", default="", help="why; the audit trail keeps it")
        verb = self.add_verb(
            "erase", _erase, words="Erase what is stored of a team, or of one request.",
            example='bursar prompts erase --team search --reason "asked by the works council"\n'
            '  bursar prompts erase --request 01a22f10-89a3-75f8-a218-c2bd7b51ecb3 --reason "a person asked"',
        )  # fmt: skip
        what = verb.add_mutually_exclusive_group(required=True)
        what.add_argument("--team", metavar="NAME", help="all of this team, which goes on storing under a new key")
        what.add_argument("--request", metavar="ID", help="this request")
        verb.add_argument("--reason", required=True, help="why; the audit trail keeps it")


def _on(options: dict[str, Any]) -> Answer:
    storage = operations.turn_on(
        actor=actor(),
        team_id=team_named(organisation=chosen_organisation(options), name=options["team"]).pk,
        wish=operations.StoringWish(days=options["days"], max_bytes=options["kibibytes"] * 1024),
        sealing_keys=environment().sealing_keys,
    )
    return _facts(storage)


def _off(options: dict[str, Any]) -> Answer:
    team = team_named(organisation=chosen_organisation(options), name=options["team"])
    erased = operations.turn_off(actor=actor(), team_id=team.pk, reason=options["reason"])
    return {"team": team.name, "erased_requests": erased}


def _list(options: dict[str, Any]) -> Answer:
    return [
        {
            "team": storage.team,
            "days": storage.days,
            "max_bytes": storage.max_bytes,
            "requests": storage.requests,
            "oldest": storage.oldest.isoformat() if storage.oldest else None,
            "newest": storage.newest.isoformat() if storage.newest else None,
        }
        for storage in queries.storages_of(organisation_id=chosen_organisation(options).pk)
    ]


def _show(options: dict[str, Any]) -> Answer:
    request_id = _request_id(options["request"])
    prompt = queries.existing_prompt(request_id=request_id)
    conversation = operations.read(
        actor=actor(), request_id=request_id, sealing_keys=environment().sealing_keys, reason=options["reason"]
    )
    return {
        "request_id": str(request_id),
        "asked_at": prompt.asked_at.isoformat(),
        "team": prompt.team.name,
        "model": prompt.alias,
        "wire": prompt.wire,
        "status": prompt.status,
        "is_cut": prompt.is_cut,
        "request": conversation.request.decode("utf-8", "replace"),
        "reply": conversation.reply.decode("utf-8", "replace"),
    }


def _erase(options: dict[str, Any]) -> Answer:
    if options["request"]:
        request_id = _request_id(options["request"])
        operations.erase_request(actor=actor(), request_id=request_id, reason=options["reason"])
        return {"request_id": str(request_id), "erased_requests": 1}
    team = team_named(organisation=chosen_organisation(options), name=options["team"])
    erased = operations.erase_team(
        actor=actor(), team_id=team.pk, reason=options["reason"], sealing_keys=environment().sealing_keys
    )
    return {"team": team.name, "erased_requests": erased}


def _request_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise BadRequest(f"{text!r} is no request's id: it stands in the header x-request-id of its reply.") from error


def _facts(storage: PromptStorage) -> dict[str, Any]:
    return {"team": storage.team.name, "days": storage.days, "max_bytes": storage.max_bytes}
