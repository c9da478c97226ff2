"""The catalogue by the API: models and prices by hand, and what would become of a call."""

from datetime import timedelta

import pytest

from governance.audit.models import AuditEvent
from governance.catalog.models import LanguageModel, ModelAlias
from governance.catalog.queries import prices_in_force
from governance.core.clock import utc_now
from tests.api.conftest import Ask
from tests.console.demo import Company, found_company

YEAR = timedelta(days=365)


def test_a_model_is_added_bounded_and_priced_from_now_and_from_next_year_on(company: Company, api: Ask) -> None:
    admin = api("admin")
    added = admin("POST", "models", {"provider": "sandbox", "name": "swift-9", "context_tokens": 1000})
    address = f"models/{added['id']}"
    assert admin("PATCH", f"{address}/limits", {"max_output_tokens": 500})["context_tokens"] == 1000
    coming = (utc_now() + YEAR).isoformat()
    assert admin("PUT", f"{address}/prices", {"usd_per_million": {"input": "2.5", "output": "10"}}).status == 200
    later = {"usd_per_million": {"input": "2", "output": "8", "cache_read": "0.2"}, "effective_from": coming}
    priced = admin("PUT", f"{address}/prices", later)
    assert sorted((each["token_class"], each["usd_per_million"]) for each in priced["prices"]) == [
        ("cache_read", "0.2"),
        ("input", "2"),
        ("input", "2.5"),
        ("output", "10"),
        ("output", "8"),
    ]
    in_force = prices_in_force(model_ids=[added["id"]], at=utc_now())[added["id"]]
    assert {row.token_class: int(row.nano_per_unit) for row in in_force} == {"input": 2500, "output": 10_000}
    assert AuditEvent.objects.filter(action="model.priced", subject=f"model:{added['id']}").count() == 2


@pytest.mark.parametrize(
    ("prices", "code"),
    [
        ({"input": "1"}, "price_refused"),
        ({"input": "0.0000001", "output": "1"}, "price_unusual"),
        ({"input": "1", "output": 2}, "fields_invalid"),
        ({"input": "1", "output": "1e3"}, "fields_invalid"),
        ({"input": "-1", "output": "1"}, "fields_invalid"),
        ({"input": "1", "output": "1", "own_account": "1"}, "fields_invalid"),
        ({}, "fields_invalid"),
    ],
)
def test_a_price_that_cannot_be_is_refused_and_changes_nothing(
    company: Company, api: Ask, prices: dict[str, object], code: str
) -> None:
    model = LanguageModel.objects.create(provider="sandbox", name="swift-9", title="Swift")
    refused = api("admin")("PUT", f"models/{model.pk}/prices", {"usd_per_million": prices})
    assert (refused.status, refused["code"]) == (400, code)
    assert not model.prices.exists()


def test_the_catalogue_is_the_operators_where_there_are_several_organisations(company: Company, api: Ask) -> None:
    found_company(name="Other Company")
    refused = api("admin")("POST", "models", {"provider": "sandbox", "name": "swift-9"})
    assert refused.status == 403
    assert "bursar models" in refused["detail"]


def test_a_dry_run_says_who_is_asked_and_why(busy_company: Company, api: Ask) -> None:
    alias = ModelAlias.objects.get(organisation=busy_company.organisation, name="falcon-mini")
    team = busy_company.teams["search"]
    call = {"team_id": team.pk, "input_tokens": 2000, "output_tokens": 100}
    become = api("auditor", "models:read")("POST", f"aliases/{alias.pk}/dry-run", call)
    assert (become.status, become["refusal"], become["decision"]["is_allowed"]) == (200, "", True)
    (first, *_) = become["asked"]
    assert first["deployment_id"] == alias.targets.all()[0].deployment_id
    assert first["reason"]
    assert float(first["at_most_usd"]) > 0

    team.archived_at = utc_now()
    team.save()
    assert api("admin")("POST", f"aliases/{alias.pk}/dry-run", call).status == 404
