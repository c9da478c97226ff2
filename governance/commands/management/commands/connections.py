"""`bursar connections`."""

import os
from typing import Any

from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation, environment, plugins
from governance.commands.parsing import pairs, value_of
from governance.connections import operations, queries
from governance.connections.models import Connection
from governance.core.clock import utc_now
from governance.core.errors import BadRequest
from governance.prompts import operations as prompts
from governance.teams import queries as teams
from governance.teams.models import Organisation


class Command(VerbCommand):
    """Provider connections."""

    help = "Connect accounts at vendors."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "add", _add, words="Add an account at a vendor. Its credential is read from a variable and sealed.",
            example="bursar connections add openai_compatible --name vllm --base-url http://10.0.0.5:8000/v1",
        )  # fmt: skip
        verb.add_argument("provider", help="a provider that a plugin offers; see `bursar plugins`")
        verb.add_argument("--name", required=True, help="what to call it")
        verb.add_argument("--base-url", default="", help="the vendor's own by default")
        verb.add_argument("--credential-env", help="the environment variable that holds the credential")
        verb.add_argument("--region", default="", help="where the vendor handles requests, such as eu or eu-central-1")
        verb.add_argument("--option", action="append", default=[], help="name=value, a setting of the plugin")
        whose = verb.add_mutually_exclusive_group()
        whose.add_argument(
            "--team", metavar="NAME", help="this team's own account: only its keys are served through it"
        )
        whose.add_argument("--unit", metavar="NAME", help="this business unit's own account")
        verb.add_argument("--not-charged", action="store_true", help="its owner pays the vendor: book it at no cost")
        verb = self.add_verb(
            "replace-credential", _replace, words="Seal another credential over a connection's old one.",
            example="bursar connections replace-credential openai --credential-env OPENAI_API_KEY",
        )  # fmt: skip
        verb.add_argument("name", help="the connection's name")
        verb.add_argument("--credential-env", required=True, metavar="VAR", help="the variable that holds it")
        self.add_verb(
            "reseal", _reseal, words="Seal every credential anew under the first of BURSAR_SEALING_KEYS.",
            example="BURSAR_DATABASE_ROLE=owner bursar connections reseal",
        )  # fmt: skip
        verb = self.add_verb(
            "place", _place, words="Say in which region a connection's vendor handles requests.",
            example="bursar connections place azure-frankfurt eu-central-1",
        )  # fmt: skip
        verb.add_argument("name", help="the connection's name")
        verb.add_argument("region", nargs="?", default="", help="such as eu or eu-central-1; none: not known")
        verb = self.add_verb(
            "charge", _charge, words="Say whether what is used through an own account is booked on its owner.",
            example="bursar connections charge search-openai no",
        )  # fmt: skip
        verb.add_argument("name", help="the connection's name")
        verb.add_argument("is_charged", choices=["yes", "no"], help="no: its owner pays the vendor")
        self.add_verb("list", _list, words="List connections.", example="bursar connections list --json")
        for name, run, words in (
            ("disable", _disable, "Take a connection out of use."),
            ("enable", _enable, "Take it back into use."),
        ):
            verb = self.add_verb(name, run, words=words, example=f"bursar connections {name} vllm")
            verb.add_argument("name", help="the connection's name")


def _add(options: dict[str, Any]) -> Answer:
    organisation = chosen_organisation(options)
    new = operations.NewConnection(
        organisation_id=organisation.pk,
        name=options["name"],
        provider=options["provider"],
        base_url=options["base_url"],
        credential=value_of(options["credential_env"], variables=os.environ),
        options=pairs(options["option"], what="option"),
        region=options["region"],
        owner=_owner(organisation, options),
    )
    added = operations.add(
        actor=actor(),
        at=utc_now(),
        sealing_keys=environment().sealing_keys,
        providers=plugins().providers,
        new=new,
    )
    return _facts(added)


def _owner(organisation: Organisation, options: dict[str, Any]) -> operations.Owner | None:
    is_charged = not options["not_charged"]
    if options["team"]:
        team = teams.team_named(organisation=organisation, name=options["team"])
        return operations.Owner(team_id=team.pk, is_charged=is_charged)
    if options["unit"]:
        unit = teams.unit_named(organisation=organisation, name=options["unit"])
        return operations.Owner(unit_id=unit.pk, is_charged=is_charged)
    if not is_charged:
        raise BadRequest("What is used through everybody's connection is charged: say whose account it is with --team.")
    return None


def _charge(options: dict[str, Any]) -> Answer:
    found = queries.connection_named(organisation=chosen_organisation(options), name=options["name"])
    is_charged = options["is_charged"] == "yes"
    return _facts(operations.change_charging(actor=actor(), connection_id=found.pk, is_charged=is_charged))


def _replace(options: dict[str, Any]) -> Answer:
    found = queries.connection_named(organisation=chosen_organisation(options), name=options["name"])
    return _facts(
        operations.replace_credential(
            actor=actor(),
            at=utc_now(),
            sealing_keys=environment().sealing_keys,
            connection_id=found.pk,
            credential=value_of(options["credential_env"], variables=os.environ),
        )
    )


def _place(options: dict[str, Any]) -> Answer:
    found = queries.connection_named(organisation=chosen_organisation(options), name=options["name"])
    return _facts(operations.place(actor=actor(), connection_id=found.pk, region=options["region"]))


def _reseal(options: dict[str, Any]) -> Answer:
    keys = environment().sealing_keys
    return {
        "sealing_key": keys[0].key_id,
        "resealed": operations.reseal_all(actor=actor(), at=utc_now(), sealing_keys=keys),
        "resealed_prompt_keys": prompts.reseal_all(actor=actor(), sealing_keys=keys),
    }


def _list(options: dict[str, Any]) -> Answer:
    return [_facts(each) for each in queries.connections_of(organisation_id=chosen_organisation(options).pk)]


def _disable(options: dict[str, Any]) -> Answer:
    return _change_use(options, is_enabled=False)


def _enable(options: dict[str, Any]) -> Answer:
    return _change_use(options, is_enabled=True)


def _change_use(options: dict[str, Any], *, is_enabled: bool) -> Answer:
    found = queries.connection_named(organisation=chosen_organisation(options), name=options["name"])
    return _facts(operations.change_use(actor=actor(), connection_id=found.pk, is_enabled=is_enabled))


def _facts(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.pk,
        "name": connection.name,
        "provider": connection.provider,
        "base_url": connection.base_url,
        "options": connection.options,
        "region": connection.region,
        "owner": connection.owner_text or None,
        "is_charged": connection.is_charged,
        "is_enabled": connection.is_enabled,
    }
