"""`bursar teams`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandParser

from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation, plugins
from governance.core.clock import utc_now
from governance.policy.cache_rules import set_cache
from governance.policy.caching import CachePolicy
from governance.policy.guard_rules import Guarding, set_guard
from governance.policy.guards import GuardAction
from governance.policy.models import GuardRule, ResponseCache
from governance.policy.operations import Level, allow, disallow
from governance.policy.queries import guard_rules_of
from governance.teams import queries
from governance.teams.changes import TeamWish, change_team, open_team
from governance.teams.models import BusinessUnit, Organisation, Team
from governance.teams.operations import archive_team, keep_in_regions, require_tags


class Command(VerbCommand):
    """Teams."""

    help = "Add teams, and say which models they may call, where, with which tags, and what guards look at."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the verbs."""
        super().add_arguments(parser)
        verb = self.add_verb(
            "add", _add, words="Add a team.", example='bursar teams add search --cost-centre 4711 --unit "Research"'
        )
        verb.add_argument("name", help="the team's name")
        verb.add_argument("--unit", default="Default unit", help="its business unit, made when it is new")
        verb.add_argument("--cost-centre", default="default", help="where finance books it, made when it is new")
        verb.add_argument("--require-tag", action="append", default=[], help="a tag every request must carry")
        self.add_verb("list", _list, words="List the teams.", example="bursar teams list --json")
        self._declare_change()
        for name, run, words in (
            ("allow", _allow, "Let a team call only aliases that match its patterns."),
            ("disallow", _disallow, "Take a pattern off a team's allow-list; an empty list restricts nothing."),
        ):
            verb = self.add_verb(name, run, words=words, example=f"bursar teams {name} search 'gpt-*'")
            verb.add_argument("name", help="the team's name")
            verb.add_argument("pattern", help="a model alias, or a glob such as gpt-*")
        verb = self.add_verb(
            "regions", _regions, words="Keep the requests of a team, a unit or everybody in regions.",
            example="bursar teams regions eu --team search\n  bursar teams regions eu us\n  bursar teams regions",
        )  # fmt: skip
        verb.add_argument("regions", nargs="*", help="such as eu, which holds eu-central-1; none: anywhere")
        _add_whose(verb)
        verb = self.add_verb(
            "guard", _guard, words="Let a guard look at the requests and replies of a team, a unit or everybody.",
            example="bursar teams guard pii --requests block --team search\n"
            "  bursar teams guard pii --requests mask --replies mask\n  bursar teams guard pii",
        )  # fmt: skip
        verb.add_argument("guard", help="a guard that `bursar plugins` names")
        actions = [each.value for each in GuardAction]
        verb.add_argument("--requests", choices=actions, help="what becomes of findings (default: it does not look)")
        verb.add_argument("--replies", choices=actions, help="the same for replies, which are then not streamed")
        _add_whose(verb)
        self.add_verb("guards", _guards, words="List whom guards look at.", example="bursar teams guards --json")
        self._declare_cache()
        verb = self.add_verb(
            "require-tags", _require, words="Set the tags a team's requests must carry.",
            example="bursar teams require-tags search feature customer",
        )  # fmt: skip
        verb.add_argument("name", help="the team's name")
        verb.add_argument("tags", nargs="*", help="tag names; none: no tag is required")

    def _declare_change(self) -> None:
        verb = self.add_verb(
            "change", _change, words="Rename a team, or move it; what is spent stays where it was booked.",
            example="bursar teams change search --rename find --unit Products --cost-centre 4712",
        )  # fmt: skip
        verb.add_argument("name", help="the team's name now")
        verb.add_argument("--rename", metavar="NAME", help="what to call it from now on")
        verb.add_argument("--unit", help="its business unit, made when it is new")
        verb.add_argument("--cost-centre", help="where finance books it from now on, made when it is new")
        verb.add_argument("--reason", default="", help="why; the audit trail keeps it")
        verb = self.add_verb(
            "archive", _archive, words="Archive a team for good: its keys stop, its records stay.",
            example='bursar teams archive search --reason "merged into find"',
        )  # fmt: skip
        verb.add_argument("name", help="the team's name")
        verb.add_argument("--reason", required=True, help="why; the audit trail keeps it")

    def _declare_cache(self) -> None:
        verb = self.add_verb(
            "cache", _cache, words="Keep a team's answers for the same request again, or forget them.",
            example="bursar teams cache search --minutes 60 --model 'gpt-*' --model text-embedding-3-small\n"
            "  bursar teams cache search --off",
        )  # fmt: skip
        verb.add_argument("name", help="the team's name")
        verb.add_argument("--minutes", type=int, default=60, help="how long an answer is kept (default: 60)")
        verb.add_argument(
            "--mebibytes", type=int, default=16, help="how much is kept in each gateway process (default: 16)"
        )
        verb.add_argument("--model", action="append", default=[], metavar="PATTERN", help="only these aliases")
        verb.add_argument(
            "--any-temperature", action="store_true", help="also where a request does not ask for temperature 0"
        )
        verb.add_argument("--off", action="store_true", help="keep nothing any more, and forget what is kept")


def _add_whose(verb: ArgumentParser) -> None:
    whose = verb.add_mutually_exclusive_group()
    whose.add_argument("--team", metavar="NAME", help="only this team's (default: the whole organisation's)")
    whose.add_argument("--unit", metavar="NAME", help="only this business unit's")


def _add(options: dict[str, Any]) -> Answer:
    wish = TeamWish(
        name=options["name"],
        unit=options["unit"],
        cost_centre=options["cost_centre"],
        required_tags=tuple(options["require_tag"]),
    )
    return _facts(open_team(actor=actor(), organisation_id=chosen_organisation(options).pk, wish=wish))


def _change(options: dict[str, Any]) -> Answer:
    team = _named(options)
    wish = TeamWish(
        name=options["rename"] or team.name,
        unit=options["unit"] or str(team.unit),
        cost_centre=options["cost_centre"] or str(team.cost_centre),
        required_tags=tuple(team.required_tags),
    )
    return _facts(change_team(actor=actor(), team_id=team.pk, wish=wish, reason=options["reason"]))


def _archive(options: dict[str, Any]) -> Answer:
    return _facts(archive_team(actor=actor(), at=utc_now(), team_id=_named(options).pk, reason=options["reason"]))


def _list(options: dict[str, Any]) -> Answer:
    return [_facts(team) for team in queries.teams_of(organisation_id=chosen_organisation(options).pk)]


def _allow(options: dict[str, Any]) -> Answer:
    team = _named(options)
    allow(actor=actor(), level=_level(team), pattern=options["pattern"])
    return _facts(team)


def _disallow(options: dict[str, Any]) -> Answer:
    team = _named(options)
    disallow(actor=actor(), level=_level(team), pattern=options["pattern"])
    return _facts(team)


def _require(options: dict[str, Any]) -> Answer:
    return _facts(require_tags(actor=actor(), team_id=_named(options).pk, tags=options["tags"]))


def _regions(options: dict[str, Any]) -> Answer:
    organisation, unit, team = _whose(options)
    regions = keep_in_regions(
        actor=actor(),
        organisation_id=organisation.pk,
        unit_id=unit.pk if unit else None,
        team_id=team.pk if team else None,
        regions=options["regions"],
    )
    return {"whose": str(team or unit or organisation), "regions": regions}


def _guard(options: dict[str, Any]) -> Answer:
    organisation, unit, team = _whose(options)
    level = Level(organisation_id=organisation.pk, unit_id=unit.pk if unit else None, team_id=team.pk if team else None)
    guarding = Guarding(requests=_action(options["requests"]), replies=_action(options["replies"]))
    rule = set_guard(actor=actor(), level=level, guard=options["guard"], guarding=guarding, offered=plugins().guards)
    return {"whose": str(team or unit or organisation), **_guarding(options["guard"], rule)}


def _guards(options: dict[str, Any]) -> Answer:
    rules = guard_rules_of(organisation_id=chosen_organisation(options).pk)
    return [
        {
            "level": "team" if rule.team else "unit" if rule.unit else "organisation",
            "whose": str(rule.team or rule.unit or rule.organisation),
            **_guarding(rule.guard, rule),
        }
        for rule in rules
    ]


def _cache(options: dict[str, Any]) -> Answer:
    wish = CachePolicy(
        ttl_seconds=options["minutes"] * 60,
        max_bytes=options["mebibytes"] * 1024 * 1024,
        patterns=tuple(options["model"]),
        is_any_temperature=options["any_temperature"],
    )
    team = _named(options)
    rule = set_cache(actor=actor(), team_id=team.pk, wish=None if options["off"] else wish)
    return {"team": team.name, **_caching(rule)}


def _caching(rule: ResponseCache | None) -> dict[str, Any]:
    return {
        "cache_minutes": rule.ttl_seconds // 60 if rule is not None else None,
        "cache_bytes": rule.max_bytes if rule is not None else None,
        "cache_models": rule.patterns if rule is not None else [],
        "any_temperature": rule.is_any_temperature if rule is not None else False,
    }


def _action(word: str | None) -> GuardAction | None:
    return GuardAction(word) if word is not None else None


def _guarding(guard: str, rule: GuardRule | None) -> dict[str, Any]:
    return {
        "guard": guard,
        "requests": (rule.requests or None) if rule is not None else None,
        "replies": (rule.replies or None) if rule is not None else None,
    }


def _whose(options: dict[str, Any]) -> tuple[Organisation, BusinessUnit | None, Team | None]:
    organisation = chosen_organisation(options)
    team = queries.team_named(organisation=organisation, name=options["team"]) if options["team"] else None
    unit = queries.unit_named(organisation=organisation, name=options["unit"]) if options["unit"] else None
    return organisation, unit, team


def _named(options: dict[str, Any]) -> Team:
    return queries.team_named(organisation=chosen_organisation(options), name=options["name"])


def _level(team: Team) -> Level:
    return Level(organisation_id=team.organisation_id, team_id=team.pk)


def _facts(team: Team) -> dict[str, Any]:
    return {
        "id": team.pk,
        "name": team.name,
        "unit": str(team.unit),
        "cost_centre": str(team.cost_centre),
        "required_tags": team.required_tags,
        "regions": team.regions,
        "cache_minutes": _caching(ResponseCache.objects.filter(team=team).first())["cache_minutes"],
        "allowed": sorted(rule.pattern or str(rule.access_group) for rule in team.allow_rules.all()),
    }
