"""Allow-lists in the console: rules, groups, and who decides about a call."""

import pytest

from governance.audit.models import AuditEvent
from governance.catalog.models import AccessGroup
from governance.policy.models import AllowRule
from tests.console.conftest import LogIn
from tests.console.demo import Company


@pytest.mark.parametrize(
    ("team", "key", "alias", "sentence"),
    [
        ("search", "", "falcon-large", "whose <code>falcon-*</code> matches"),
        ("search", "", "sandbox-1", "no rule on the list of team search matches it"),
        ("search", "search-ada", "falcon-large", "no rule on the list of key search-ada"),
        ("research", "", "sandbox-1", "no list on the way restricts anything"),
        ("research", "", "hawk", "There is no route of that name"),
        ("research", "search-ada", "smart", "choose that team"),
    ],
)
def test_the_tester_says_which_rule_decides(
    company: Company, log_in: LogIn, team: str, key: str, alias: str, sentence: str
) -> None:
    asked = {"alias": alias, "team": company.teams[team].pk, "key": company.keys[key].pk if key else ""}
    assert sentence in log_in("auditor").get("/allow-lists/", asked).content.decode()


def test_rules_come_and_go_with_a_warning_before_the_last(company: Company, log_in: LogIn) -> None:
    client, team = log_in("admin"), company.teams["research"]
    client.post("/allow-lists/rules/new/", {"scope": f"team:{team.pk}", "pattern": "falcon-?ini"})
    rule = AllowRule.objects.get(team=team)
    assert "falcon-mini" in client.get("/allow-lists/").content.decode()

    asked = client.get(f"/allow-lists/rules/{rule.pk}/remove/").content.decode()
    other = client.get(f"/allow-lists/rules/{company.rule_id}/remove/").content.decode()
    client.post(f"/allow-lists/rules/{rule.pk}/remove/")

    assert "the list restricts nothing" in asked and "the list restricts nothing" not in other
    assert not AllowRule.objects.filter(team=team).exists()
    assert AuditEvent.objects.filter(action="allow_rule.removed").count() == 1


@pytest.mark.parametrize("form", [{"pattern": ""}, {"pattern": "gpt/{}"}, {"pattern": "gpt-*", "group": "own"}])
def test_a_rule_is_a_pattern_or_a_group(company: Company, log_in: LogIn, form: dict[str, str]) -> None:
    before = AllowRule.objects.count()
    group = {"group": company.group_id} if form.get("group") else {}
    page = log_in("admin").post("/allow-lists/rules/new/", {"scope": "organisation", **form, **group})
    assert (page.status_code, AllowRule.objects.count()) == (200, before)


def test_a_group_is_made_changed_and_removed_unless_something_names_it(company: Company, log_in: LogIn) -> None:
    client = log_in("admin")
    client.post("/allow-lists/groups/new/", {"name": "frontier", "patterns": "falcon-*\nhawk-*"})
    group = AccessGroup.objects.get(name="frontier")
    client.post(f"/allow-lists/groups/{group.pk}/", {"patterns": "falcon-large"})
    group.refresh_from_db()
    assert group.patterns == ["falcon-large"]

    client.post(f"/allow-lists/groups/{group.pk}/remove/", {"reason": "renamed"})
    kept = client.post(f"/allow-lists/groups/{company.group_id}/remove/", {"reason": ""}).content.decode()
    assert AuditEvent.objects.get(action="access_group.removed").reason == "renamed"
    assert "names the access group everyday" in kept
