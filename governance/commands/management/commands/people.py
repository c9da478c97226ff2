"""`bursar people`: who may log in, and what they may do."""

import os
import secrets
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation
from governance.commands.parsing import value_of
from governance.core.clock import utc_now
from governance.identity.invitations import Wish, invite
from governance.identity.letters import invitation_link, send_invitation
from governance.identity.people import deactivate, reactivate
from governance.identity.sessions import end_sessions
from governance.teams import people, queries
from governance.teams.models import User

_PASSWORD_BYTES = 15


class Command(VerbCommand):
    """People."""

    help = "Let people log in, give them roles in the organisation, and put them into teams."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "add", _add, words="Add somebody. Without --password-env a password is made and shown once.",
            example="bursar people add fin@acme.example --role finance\n"
            "  bursar people add dan@acme.example --team search",
        )  # fmt: skip
        verb.add_argument("email", help="their address, which is their log-in name")
        verb.add_argument("--password-env", metavar="VAR", help="the environment variable that holds the password")
        verb.add_argument("--role", choices=people.Role.values, help="a role in the whole organisation")
        verb.add_argument("--team", metavar="NAME", help="a team to be in")
        verb.add_argument(
            "--part", choices=people.Part.values, default=people.Part.DEVELOPER.value, help="in that team"
        )
        verb = self.add_verb(
            "invite", _invite, words="Send somebody a link by which they come in, and print it.",
            example="bursar people invite dan@acme.example --team search --part owner",
        )  # fmt: skip
        verb.add_argument("email", help="their address, which will be their log-in name")
        verb.add_argument("--role", choices=people.Role.values, help="a role in the whole organisation")
        verb.add_argument("--team", metavar="NAME", help="a team to be in")
        verb.add_argument(
            "--part", choices=people.Part.values, default=people.Part.DEVELOPER.value, help="in that team"
        )
        self.add_verb("list", _list, words="List who may log in.", example="bursar people list --json")
        for name, run, words in (
            ("give-role", _give, "Give somebody a role in the whole organisation."),
            ("take-role", _take, "Take a role away."),
        ):
            verb = self.add_verb(name, run, words=words, example=f"bursar people {name} fin@acme.example finance")
            verb.add_argument("email", help="their address")
            verb.add_argument("role", choices=people.Role.values)
        verb = self.add_verb(
            "join", _join, words="Put somebody into a team, or change their part in it.",
            example="bursar people join dan@acme.example search --part owner",
        )  # fmt: skip
        verb.add_argument("email", help="their address")
        verb.add_argument("team", help="the team's name")
        verb.add_argument("--part", choices=people.Part.values, default=people.Part.DEVELOPER.value)
        verb = self.add_verb(
            "leave", _leave, words="Take somebody out of a team.", example="bursar people leave dan@acme.example search"
        )
        verb.add_argument("email", help="their address")
        verb.add_argument("team", help="the team's name")
        for name, run, words in (
            ("own-unit", _own, "Make somebody an owner of a business unit: of each of its teams."),
            ("disown-unit", _disown, "Make them no owner of it any more."),
        ):
            verb = self.add_verb(name, run, words=words, example=f"bursar people {name} dan@acme.example Research")
            verb.add_argument("email", help="their address")
            verb.add_argument("unit", help="the unit's name")
        for name, run, words in (
            ("deactivate", _deactivate, "Keep somebody out from their next request on, and revoke their own keys."),
            ("activate", _activate, "Let them in again. Revoked keys stay revoked."),
            ("log-out", _log_out, "End all of somebody's sessions."),
        ):
            verb = self.add_verb(name, run, words=words, example=f"bursar people {name} dan@acme.example")
            verb.add_argument("email", help="their address")


@transaction.atomic
def _add(options: dict[str, Any]) -> Answer:
    given = value_of(options["password_env"], variables=os.environ)
    password = given or secrets.token_urlsafe(_PASSWORD_BYTES)
    person = people.create_person(actor=actor(), email=options["email"], password=password)
    if options["role"]:
        _give(options)
    if options["team"]:
        _join(options)
    return {**_facts(person), "password": None if given else password}


def _list(options: dict[str, Any]) -> Answer:
    organisation = chosen_organisation(options)
    return [_facts(person) for person in queries.people_of(organisation_id=organisation.pk)]


def _give(options: dict[str, Any]) -> Answer:
    person, organisation = _named(options), chosen_organisation(options)
    role = people.Role(options["role"])
    people.give_role(actor=actor(), user_id=person.pk, organisation_id=organisation.pk, role=role)
    return _facts(person)


def _take(options: dict[str, Any]) -> Answer:
    person, organisation = _named(options), chosen_organisation(options)
    role = people.Role(options["role"])
    people.take_role(actor=actor(), user_id=person.pk, organisation_id=organisation.pk, role=role)
    return _facts(person)


def _join(options: dict[str, Any]) -> Answer:
    person = _named(options)
    team = queries.team_named(organisation=chosen_organisation(options), name=options["team"])
    part = people.Part(options["part"])
    people.set_membership(actor=actor(), user_id=person.pk, team_id=team.pk, part=part)
    return _facts(person)


def _leave(options: dict[str, Any]) -> Answer:
    person = _named(options)
    team = queries.team_named(organisation=chosen_organisation(options), name=options["team"])
    people.remove_membership(actor=actor(), user_id=person.pk, team_id=team.pk)
    return _facts(person)


def _own(options: dict[str, Any]) -> Answer:
    person = _named(options)
    unit = queries.unit_named(organisation=chosen_organisation(options), name=options["unit"])
    people.give_unit(actor=actor(), user_id=person.pk, unit_id=unit.pk)
    return _facts(person)


def _disown(options: dict[str, Any]) -> Answer:
    person = _named(options)
    unit = queries.unit_named(organisation=chosen_organisation(options), name=options["unit"])
    people.take_unit(actor=actor(), user_id=person.pk, unit_id=unit.pk)
    return _facts(person)


def _invite(options: dict[str, Any]) -> Answer:
    organisation = chosen_organisation(options)
    parts = {}
    if options["team"]:
        team = queries.team_named(organisation=organisation, name=options["team"])
        parts[team.pk] = people.Part(options["part"])
    wish = Wish(
        organisation_id=organisation.pk,
        email=options["email"],
        roles=frozenset({people.Role(options["role"])} if options["role"] else ()),
        parts=parts,
    )
    invitation = invite(actor=actor(), at=utc_now(), wish=wish)
    return {
        "email": invitation.email,
        "expires_at": invitation.expires_at.isoformat(),
        "is_letter_sent": send_invitation(invitation),
        "link": invitation_link(invitation),
    }


def _deactivate(options: dict[str, Any]) -> Answer:
    person, organisation = _named(options), chosen_organisation(options)
    return _facts(deactivate(actor=actor(), at=utc_now(), organisation_id=organisation.pk, user_id=person.pk))


def _activate(options: dict[str, Any]) -> Answer:
    person, organisation = _named(options), chosen_organisation(options)
    return _facts(reactivate(actor=actor(), organisation_id=organisation.pk, user_id=person.pk))


def _log_out(options: dict[str, Any]) -> Answer:
    person = _named(options)
    return {"email": person.email, "ended_sessions": end_sessions(actor=actor(), user_id=person.pk)}


def _named(options: dict[str, Any]) -> User:
    return queries.person_named(email=options["email"])


def _facts(person: User) -> dict[str, Any]:
    return {
        "id": person.pk,
        "email": person.email,
        "is_active": person.is_active,
        "roles": sorted(str(given.role) for given in person.organisation_roles.all()),
        "units": sorted(str(owned.unit) for owned in person.owned_units.all()),
        "teams": sorted(f"{member.team} ({member.part})" for member in person.memberships.all()),
    }
