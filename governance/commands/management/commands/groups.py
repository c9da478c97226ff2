"""`bursar groups`."""

from typing import Any

from django.core.management.base import CommandParser

from governance.catalog import groups, queries
from governance.catalog.models import AccessGroup
from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation


class Command(VerbCommand):
    """Access groups."""

    help = "Name sets of model aliases, to be allowed together or paid together from a budget."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "set", _set, words="Make an access group, or change what the group with that name holds.",
            example="bursar groups set frontier 'gpt-5*' 'claude-opus-*'",
        )  # fmt: skip
        verb.add_argument("name", help="what to call it")
        verb.add_argument("patterns", nargs="+", metavar="PATTERN", help="a model alias, or a glob such as gpt-*")
        self.add_verb("list", _list, words="List the access groups.", example="bursar groups list --json")
        verb = self.add_verb(
            "remove", _remove, words="Remove a group that no allow-list and no budget names.",
            example="bursar groups remove frontier",
        )  # fmt: skip
        verb.add_argument("name", help="the group's name")


def _set(options: dict[str, Any]) -> Answer:
    organisation = chosen_organisation(options)
    existing = queries.groups_of(organisation_id=organisation.pk).filter(name=options["name"]).first()
    if existing is not None:
        return _facts(groups.change_patterns(actor=actor(), group_id=existing.pk, patterns=options["patterns"]))
    return _facts(
        groups.create_group(
            actor=actor(), organisation_id=organisation.pk, name=options["name"], patterns=options["patterns"]
        )
    )


def _list(options: dict[str, Any]) -> Answer:
    return [_facts(group) for group in queries.groups_of(organisation_id=chosen_organisation(options).pk)]


def _remove(options: dict[str, Any]) -> Answer:
    group = queries.group_named(organisation=chosen_organisation(options), name=options["name"])
    facts = _facts(group)
    groups.remove_group(actor=actor(), group_id=group.pk)
    return facts


def _facts(group: AccessGroup) -> dict[str, Any]:
    return {"id": group.pk, "name": group.name, "patterns": group.patterns}
