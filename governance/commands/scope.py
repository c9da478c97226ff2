"""Whose something is, as options of a command: what budgets and rate limits have in common."""

from argparse import ArgumentParser
from typing import Any

from governance.catalog import queries as catalog
from governance.keys import queries as keys
from governance.teams import queries as teams
from governance.teams.models import Organisation


def add_scope_options(verb: ArgumentParser, *, does: str) -> None:
    """Add the options that name a unit, team, key or person. `does` completes "only what this team …"."""
    verb.add_argument("--unit", metavar="NAME", help=f"only what this business unit {does}")
    verb.add_argument("--team", metavar="NAME", help=f"only what this team {does}")
    verb.add_argument("--key", metavar="ID", help=f"only what this key {does}: its id, or bsr_... of its text")
    verb.add_argument("--user", metavar="EMAIL", help=f"only what a key of this person {does}")


def add_narrowing_options(verb: ArgumentParser) -> None:
    """Add the options that narrow to models and a provider."""
    verb.add_argument("--model", metavar="PATTERN", help="only calls to aliases that match this glob")
    verb.add_argument("--model-group", metavar="NAME", help="only calls to aliases of this access group")
    verb.add_argument("--provider", metavar="NAME", help="only calls that this provider answers")


def scope_ids(organisation: Organisation, options: dict[str, Any]) -> dict[str, Any]:
    """Return the ids of what was named: unit_id, team_id, key_id, user_id. Raises the rooms' NotFound errors."""
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


def group_id(organisation: Organisation, options: dict[str, Any]) -> int | None:
    """Return the id of the access group that was named. Raises GroupNotFound."""
    name = options["model_group"]
    return catalog.group_named(organisation=organisation, name=name).pk if name else None
