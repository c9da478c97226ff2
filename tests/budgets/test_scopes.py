"""What a budget can be narrowed to, and what is refused because nothing would be paid from it."""

import pytest
from django.db import IntegrityError, transaction

from governance.budgets import operations, queries
from governance.budgets.errors import BudgetRefused
from governance.budgets.models import Budget
from governance.budgets.narrowing import Narrowing, split_tag, tag_text
from governance.budgets.operations import NewBudget
from governance.catalog import groups
from governance.catalog.errors import GroupInUse
from governance.connections.models import Connection
from governance.core.windows import WindowKind
from governance.teams.errors import NameRefused
from tests.support.company import ACTOR, Company, found, last_event


@pytest.mark.parametrize(
    ("narrowing", "is_paid"),
    [
        (Narrowing(), True),
        (Narrowing(patterns=("claude-*", "gpt-5*")), True),
        (Narrowing(patterns=("claude-*", "GPT-5*")), False),
        (Narrowing(provider="openai"), True),
        (Narrowing(provider="anthropic"), False),
        (Narrowing(tag_name="feature"), True),
        (Narrowing(tag_name="feature", tag_value="search"), True),
        (Narrowing(tag_name="feature", tag_value="chat"), False),
        (Narrowing(tag_name="customer"), False),
        (Narrowing(patterns=("gpt-*",), provider="openai", tag_name="feature", tag_value="chat"), False),
    ],
)
def test_a_call_is_paid_when_it_has_everything_the_budget_names(narrowing: Narrowing, is_paid: bool) -> None:
    assert narrowing.covers(alias="gpt-5-mini", provider="openai", tags={"feature": "search"}) is is_paid


@pytest.mark.parametrize(
    ("text", "name", "value", "shown"),
    [
        ("feature=search", "feature", "search", "feature=search"),
        ("feature=*", "feature", "", "feature=*"),
        (" feature = a=b ", "feature", "a=b", "feature=a=b"),
    ],
)
def test_a_tag_is_written_as_name_and_value(text: str, name: str, value: str, shown: str) -> None:
    assert split_tag(text) == (name, value)
    assert tag_text(name, value) == shown


def make(company: Company, **fields: object) -> Budget:
    values = {"name": "narrow", "limit_nano": 10**9, "window": WindowKind.MONTH, **fields}
    return operations.create(actor=ACTOR, new=NewBudget(organisation_id=company.organisation.pk, **values))  # type: ignore[arg-type]


def test_a_budget_says_all_that_it_is_narrowed_to(company: Company) -> None:
    group = groups.create_group(
        actor=ACTOR, organisation_id=company.organisation.pk, name="frontier", patterns=["gpt-5*"]
    )
    Connection.objects.create(organisation=company.organisation, name="main", provider="openai", base_url="http://x")
    budget = make(company, model_group_id=group.pk, provider="openai", tag="feature=*")
    assert queries.narrowed_to(budget) == [("model group", "frontier"), ("provider", "openai"), ("tag", "feature=*")]
    assert last_event().after["tag"] == "feature=*"


def test_a_group_that_a_budget_names_stays(company: Company) -> None:
    group = groups.create_group(actor=ACTOR, organisation_id=company.organisation.pk, name="cheap", patterns=["tiny"])
    make(company, model_group_id=group.pk)
    with pytest.raises(GroupInUse):
        groups.remove_group(actor=ACTOR, group_id=group.pk)


def test_what_the_organisation_does_not_have_is_refused(company: Company) -> None:
    foreign = groups.create_group(
        actor=ACTOR, organisation_id=found("Other").organisation.pk, name="cheap", patterns=["tiny"]
    )
    own = groups.create_group(actor=ACTOR, organisation_id=company.organisation.pk, name="cheap", patterns=["tiny"])
    with pytest.raises(BudgetRefused, match="another organisation"):
        make(company, model_group_id=foreign.pk)
    with pytest.raises(BudgetRefused, match="one of both"):
        make(company, model_group_id=own.pk, model_pattern="tiny")
    with pytest.raises(BudgetRefused, match="no connection to a provider 'opnai'"):
        make(company, provider="opnai")
    with pytest.raises(NameRefused):
        make(company, tag="=search")
    assert not Budget.objects.exists()


def test_the_database_refuses_a_pattern_beside_a_group_and_a_value_of_no_tag(company: Company) -> None:
    group = groups.create_group(actor=ACTOR, organisation_id=company.organisation.pk, name="cheap", patterns=["tiny"])
    budget = make(company)
    for fields in ({"model_pattern": "tiny", "model_group": group}, {"tag_value": "search"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Budget.objects.filter(pk=budget.pk).update(**fields)
