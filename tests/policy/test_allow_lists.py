"""Writing allow-lists and access groups, and asking them."""

import pytest

from governance.audit.models import AuditEvent
from governance.catalog import groups
from governance.catalog import queries as catalog
from governance.catalog.errors import GroupInUse, GroupNameTaken, GroupNotFound, GroupRefused
from governance.keys.errors import KeyNotFound
from governance.policy import operations, queries
from governance.policy.errors import RuleRefused
from governance.policy.matching import Decision
from governance.policy.models import AllowRule
from governance.policy.operations import Level
from governance.teams.errors import TenancyRefused
from tests.support.company import ACTOR, Company, found, last_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return found()


def level(company: Company, **scope: int) -> Level:
    return Level(organisation_id=company.organisation.pk, **scope)


def allow(at: Level, pattern: str) -> AllowRule:
    return operations.allow(actor=ACTOR, level=at, pattern=pattern)


def test_without_rules_a_key_may_call_anything(company: Company) -> None:
    key = company.issue_key().key
    assert queries.may_call(key_id=key.pk, alias="tiny") == Decision(is_allowed=True)


def test_every_level_on_the_way_to_a_key_must_allow(company: Company) -> None:
    key, other = company.issue_key("ci").key, company.issue_key("other").key
    sibling = company.add_team("sibling")
    allow(level(company), "gpt-*")
    allow(level(company), "tiny")
    allow(level(company, unit_id=company.unit.pk), "*")
    allow(level(company, team_id=company.team.pk), "tiny")
    allow(level(company, team_id=sibling.pk), "nothing-of-ours")
    allow(level(company, key_id=other.pk), "nothing-of-ours")
    assert queries.may_call(key_id=key.pk, alias="tiny") == Decision(
        is_allowed=True, level="team search", pattern="tiny"
    )
    assert queries.may_call(key_id=key.pk, alias="gpt-6") == Decision(is_allowed=False, level="team search")
    assert queries.may_call(key_id=key.pk, alias="grok") == Decision(is_allowed=False, level="organisation Acme")
    assert queries.may_call(key_id=other.pk, alias="tiny") == Decision(is_allowed=False, level="key other")


def test_a_rule_is_there_once_and_each_change_is_in_the_trail(company: Company) -> None:
    at = level(company, team_id=company.team.pk)
    assert allow(at, "tiny") == allow(at, "tiny")
    operations.disallow(actor=ACTOR, level=at, pattern="tiny")
    assert not AllowRule.objects.exists()
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))[-2:]
    assert actions == ["allow_rule.added", "allow_rule.removed"]
    assert last_event().before["pattern"] == "tiny"
    with pytest.raises(RuleRefused):
        operations.disallow(actor=ACTOR, level=at, pattern="tiny")


@pytest.mark.parametrize("pattern", ["", " ", "a b", "gpt-[45]", "мodel", "a" * 201, "a\n"])
def test_what_can_match_no_alias_is_no_pattern(company: Company, pattern: str) -> None:
    with pytest.raises(RuleRefused):
        allow(level(company), pattern)
    with pytest.raises(GroupRefused):
        groups.create_group(
            actor=ACTOR, organisation_id=company.organisation.pk, name="group", patterns=["tiny", pattern]
        )


def test_a_rule_is_for_one_level_of_its_own_organisation(company: Company) -> None:
    other = found("Other")
    key = company.issue_key().key
    with pytest.raises(RuleRefused):
        allow(level(company, team_id=company.team.pk, key_id=key.pk), "tiny")
    for foreign in (
        level(company, unit_id=other.unit.pk),
        level(company, team_id=other.team.pk),
        level(other, key_id=key.pk),
    ):
        with pytest.raises(TenancyRefused):
            allow(foreign, "tiny")
    with pytest.raises(KeyNotFound):
        allow(level(company, key_id=0), "tiny")


def test_a_group_allows_its_patterns_wherever_it_is_named(company: Company) -> None:
    key = company.issue_key().key
    group = groups.create_group(
        actor=ACTOR, organisation_id=company.organisation.pk, name="cheap", patterns=["tiny", "*-mini"]
    )
    at = level(company, team_id=company.team.pk)
    for _ in range(2):
        operations.allow_group(actor=ACTOR, level=at, group_id=group.pk)
    assert queries.rules_of(organisation_id=company.organisation.pk).count() == 1
    assert queries.may_call(key_id=key.pk, alias="gpt-mini").pattern == "*-mini"
    groups.change_patterns(actor=ACTOR, group_id=group.pk, patterns=["tiny"])
    assert not queries.may_call(key_id=key.pk, alias="gpt-mini").is_allowed
    assert last_event().before["patterns"] == ["*-mini", "tiny"]
    with pytest.raises(GroupInUse):
        groups.remove_group(actor=ACTOR, group_id=group.pk)
    operations.disallow_group(actor=ACTOR, level=at, group_id=group.pk)
    groups.remove_group(actor=ACTOR, group_id=group.pk)
    assert not catalog.groups_of(organisation_id=company.organisation.pk).exists()


def test_a_group_is_never_empty_unique_by_name_and_of_its_own_organisation(company: Company) -> None:
    organisation_id = company.organisation.pk
    group = groups.create_group(actor=ACTOR, organisation_id=organisation_id, name="cheap", patterns=["tiny"])
    with pytest.raises(GroupRefused):
        groups.change_patterns(actor=ACTOR, group_id=group.pk, patterns=[])
    with pytest.raises(GroupNameTaken):
        groups.create_group(actor=ACTOR, organisation_id=organisation_id, name="cheap", patterns=["tiny"])
    with pytest.raises(RuleRefused):
        operations.allow_group(actor=ACTOR, level=level(found("Other")), group_id=group.pk)
    with pytest.raises(GroupNotFound):
        operations.allow_group(actor=ACTOR, level=level(company), group_id=0)
