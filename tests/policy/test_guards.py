"""Guard rules: which action holds, and who may set what."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction

from governance.audit.models import AuditEvent
from governance.policy.errors import RuleRefused
from governance.policy.guard_rules import Guarding, set_guard
from governance.policy.guards import AppliedGuard, GuardAction, GuardRule, guard_policy
from governance.policy.models import GuardRule as StoredRule
from governance.policy.operations import Level
from governance.teams.errors import TenancyRefused
from tests.support.company import ACTOR, found

MASK, BLOCK = GuardAction.MASK, GuardAction.BLOCK
BLOCKING = Guarding(requests=BLOCK, replies=None)


def rule(level: str, requests: GuardAction | None, replies: GuardAction | None = None, guard: str = "pii") -> GuardRule:
    return GuardRule(level=level, guard=guard, requests=requests, replies=replies)


def test_without_rules_there_is_nothing_to_look_at() -> None:
    assert guard_policy([]) is None


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ((MASK, BLOCK), (BLOCK, "team")),
        ((BLOCK, MASK), (BLOCK, "organisation")),
        ((BLOCK, BLOCK), (BLOCK, "organisation")),
        ((MASK, MASK), (MASK, "organisation")),
        ((None, MASK), (MASK, "team")),
        ((BLOCK, None), (BLOCK, "organisation")),
    ],
)
def test_a_level_can_only_add_strictness(
    asked: tuple[GuardAction | None, GuardAction | None], holds: tuple[GuardAction, str]
) -> None:
    policy = guard_policy([rule("organisation", asked[0]), rule("team", asked[1])])
    assert policy is not None
    assert policy.requests == (AppliedGuard("pii", *holds),)
    assert policy.replies == ()


def test_guards_and_sides_are_apart() -> None:
    policy = guard_policy([rule("unit", MASK, BLOCK), rule("team", BLOCK, guard="keys")])
    assert policy is not None
    assert policy.requests == (AppliedGuard("keys", BLOCK, "team"), AppliedGuard("pii", MASK, "unit"))
    assert policy.replies == (AppliedGuard("pii", BLOCK, "unit"),)


def run(*words: str) -> Any:
    printed = io.StringIO()
    call_command(*words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


@pytest.mark.django_db
def test_the_command_guards_a_team_a_unit_or_everybody() -> None:
    company = found()
    everybody = run("teams", "guard", "secrets", "--requests", "mask")
    assert everybody == {"whose": "Acme", "guard": "secrets", "requests": "mask", "replies": None}
    run("teams", "guard", "secrets", "--replies", "block", "--unit", company.unit.name)
    run("teams", "guard", "personal", "--requests", "block", "--replies", "mask", "--team", "search")
    run("teams", "guard", "secrets", "--requests", "block")
    assert [(row["level"], row["guard"], row["requests"], row["replies"]) for row in run("teams", "guards")] == [
        ("team", "personal", "block", "mask"),
        ("unit", "secrets", None, "block"),
        ("organisation", "secrets", "block", None),
    ]
    assert run("teams", "guard", "secrets")["requests"] is None
    assert StoredRule.objects.count() == 2
    changes = AuditEvent.objects.filter(action__endswith=".guard_changed").order_by("id")
    assert [(event.action, event.before["requests"], event.after["requests"]) for event in changes] == [
        ("organisation.guard_changed", None, "mask"),
        ("unit.guard_changed", None, None),
        ("team.guard_changed", None, "block"),
        ("organisation.guard_changed", "mask", "block"),
        ("organisation.guard_changed", "block", None),
    ]


@pytest.mark.django_db
def test_a_guard_that_nobody_offers_can_only_be_taken_away() -> None:
    company = found()
    with pytest.raises(CommandError, match="No plugin offers a guard named 'nosuch'; installed are: personal, secrets"):
        run("teams", "guard", "nosuch", "--requests", "mask")
    StoredRule.objects.create(organisation=company.organisation, guard="nosuch", requests="mask")
    assert run("teams", "guard", "nosuch")["requests"] is None
    assert not StoredRule.objects.exists()


@pytest.mark.django_db
def test_what_changes_nothing_is_not_audited() -> None:
    company = found()
    level = Level(organisation_id=company.organisation.pk)
    for _ in range(2):
        set_guard(actor=ACTOR, level=level, guard="pii", guarding=BLOCKING, offered={"pii"})
    assert AuditEvent.objects.filter(action="organisation.guard_changed").count() == 1


@pytest.mark.django_db
def test_a_rule_belongs_to_one_level_of_its_own_organisation() -> None:
    company, other = found(), found("Other")
    ours = company.organisation.pk
    for level in (Level(organisation_id=ours, key_id=1), Level(organisation_id=ours, unit_id=1, team_id=1)):
        with pytest.raises(RuleRefused):
            set_guard(actor=ACTOR, level=level, guard="pii", guarding=BLOCKING, offered={"pii"})
    foreign = Level(organisation_id=ours, team_id=other.team.pk)
    with pytest.raises(TenancyRefused):
        set_guard(actor=ACTOR, level=foreign, guard="pii", guarding=BLOCKING, offered={"pii"})


@pytest.mark.django_db
@pytest.mark.parametrize("columns", [{}, {"requests": "warn"}, {"replies": "Mask"}])
def test_the_database_keeps_rules_sound(columns: dict[str, str]) -> None:
    company = found()
    with pytest.raises(IntegrityError), transaction.atomic():
        StoredRule.objects.create(organisation=company.organisation, guard="pii", **columns)
    StoredRule.objects.create(organisation=company.organisation, guard="pii", requests="mask")
    with pytest.raises(IntegrityError), transaction.atomic():
        StoredRule.objects.create(organisation=company.organisation, guard="pii", requests="block")
