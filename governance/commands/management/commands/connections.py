"""`bursar connections`."""

import os
from typing import Any

from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, environment, plugins
from governance.connections import operations, queries
from governance.connections.models import Connection
from governance.core.clock import utc_now
from governance.core.errors import BadRequest
from governance.teams.queries import organisation_named


class Command(VerbCommand):
    help = "Connect accounts at vendors."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        verb = self.add_verb(
            "add", _add, words="Add an account at a vendor. Its credential is read from a variable and sealed.",
            example="bursar connections add openai_compatible --name vllm --base-url http://10.0.0.5:8000/v1",
        )  # fmt: skip
        verb.add_argument("provider", help="a provider that a plugin offers; see `bursar plugins`")
        verb.add_argument("--name", required=True, help="what to call it")
        verb.add_argument("--base-url", default="", help="the vendor's own by default")
        verb.add_argument("--credential-env", help="the environment variable that holds the credential")
        verb.add_argument("--option", action="append", default=[], help="name=value, a setting of the plugin")
        self.add_verb("list", _list, words="List connections.", example="bursar connections list --json")
        for name, run, words in (
            ("disable", _disable, "Take a connection out of use."),
            ("enable", _enable, "Take it back into use."),
        ):
            verb = self.add_verb(name, run, words=words, example=f"bursar connections {name} vllm")
            verb.add_argument("name", help="the connection's name")


def _add(options: dict[str, Any]) -> Answer:
    pairs = [text.partition("=") for text in options["option"]]
    new = operations.NewConnection(
        organisation_id=organisation_named().pk,
        name=options["name"],
        provider=options["provider"],
        base_url=options["base_url"],
        credential=_credential(options["credential_env"]),
        options={name: value for name, _, value in pairs},
    )
    added = operations.add(
        actor=actor(),
        at=utc_now(),
        sealing_keys=environment().sealing_keys,
        providers=plugins().providers,
        new=new,
    )
    return _facts(added)


def _credential(variable: str | None) -> str:
    if variable is None:
        return ""
    value = os.environ.get(variable, "")
    if not value:
        raise BadRequest(f"The environment variable {variable} is empty or not set: put the credential there.")
    return value


def _list(options: dict[str, Any]) -> Answer:
    return [_facts(each) for each in queries.connections_of(organisation_id=organisation_named().pk)]


def _disable(options: dict[str, Any]) -> Answer:
    return _change_use(options["name"], is_enabled=False)


def _enable(options: dict[str, Any]) -> Answer:
    return _change_use(options["name"], is_enabled=True)


def _change_use(name: str, *, is_enabled: bool) -> Answer:
    found = queries.connection_named(organisation=organisation_named(), name=name)
    return _facts(operations.change_use(actor=actor(), connection_id=found.pk, is_enabled=is_enabled))


def _facts(connection: Connection) -> dict[str, Any]:
    return {
        "id": connection.pk,
        "name": connection.name,
        "provider": connection.provider,
        "base_url": connection.base_url,
        "options": connection.options,
        "is_enabled": connection.is_enabled,
    }
