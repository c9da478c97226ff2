"""Changes through the API: once per Idempotency-Key, only on what was read, and the whole of it or nothing."""

import pytest

from governance.api.models import KeptAnswer
from governance.audit.models import AuditEvent
from governance.budgets.models import Budget
from governance.keys.models import VirtualKey
from tests.api.asking import SERVICE
from tests.api.conftest import Ask
from tests.console.demo import Company


def test_a_change_that_is_sent_again_is_answered_and_not_done_again(company: Company, api: Ask) -> None:
    admin = api("admin")
    body = {"team_id": company.teams["search"].pk, "name": "deploy"}
    first = admin("POST", "keys", body, Idempotency_Key="one")
    again = admin("POST", "keys", body, Idempotency_Key="one")

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert again.headers["Location"] == first.headers["Location"] == f"/api/v1/keys/{first['key']['id']}"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert VirtualKey.objects.filter(name="deploy").count() == 1
    assert AuditEvent.objects.filter(action="key.issued").count() == 1


def test_a_key_is_for_one_request_of_one_token(company: Company, api: Ask) -> None:
    admin, other = api("admin"), api("admin")
    body = {"name": "one"}
    assert admin("POST", "units", body, Idempotency_Key="k").status == 201

    refused = admin("POST", "units", {"name": "two"}, Idempotency_Key="k")
    elsewhere = admin("POST", "cost-centres", {"code": "one"}, Idempotency_Key="k")
    of_other = other("POST", "units", {"name": "two"}, Idempotency_Key="k")

    assert (refused.status, refused["code"]) == (422, "idempotency_key_reused")
    assert elsewhere.status == 422
    assert of_other.status == 201
    assert admin("POST", "units", body, Idempotency_Key="\u00e9").status == 400
    assert admin("POST", "units", body, Idempotency_Key="x" * 256).status == 400


def test_what_failed_is_not_kept_and_can_be_tried_again(company: Company, api: Ask) -> None:
    admin = api("admin")
    assert (
        admin("POST", "teams", {"name": "t", "unit_id": 10**9, "cost_centre_id": 1}, Idempotency_Key="k").status == 404
    )
    assert not KeptAnswer.objects.exists()
    assert admin("POST", "units", {"name": "t"}, Idempotency_Key="k").status == 201


def test_a_kept_answer_cannot_be_read_in_the_database(company: Company, api: Ask) -> None:
    issued = api("admin")(
        "POST", "keys", {"team_id": company.teams["search"].pk, "name": "deploy"}, Idempotency_Key="one"
    )
    kept = KeptAnswer.objects.get()
    assert issued["text"].encode() not in bytes(kept.ciphertext)
    assert b"deploy" not in bytes(kept.ciphertext)
    assert len(bytes(kept.ciphertext)) > 200


def test_a_change_of_what_somebody_else_changed_is_refused(company: Company, api: Ask) -> None:
    finance = api("finance")
    address = f"budgets/{company.budgets['Search'].pk}"
    read = finance("GET", address)
    changed = finance("PATCH", address, {"limit_usd": "100"}, If_Match=read.headers["ETag"])
    late = finance("PATCH", address, {"limit_usd": "200"}, If_Match=read.headers["ETag"])

    assert (changed.status, changed["limit_usd"]) == (200, "100.00")
    assert (late.status, late["code"]) == (412, "changed_meanwhile")
    assert finance("PATCH", address, {"limit_usd": "300"}, If_Match=changed.headers["ETag"]).status == 200
    assert finance("PATCH", address, {"limit_usd": "400"}, If_Match="*").status == 200


def test_a_change_happens_whole_or_not_at_all(company: Company, api: Ask) -> None:
    budget = company.budgets["Search"]
    team = f"teams/{company.teams['search'].pk}"
    refused = api("admin")("PATCH", team, {"required_tags": ["feature"], "regions": ["not a region"]})

    assert refused.status == 400
    assert api("admin")("GET", team)["required_tags"] == []
    assert Budget.objects.get(pk=budget.pk).limit_nano == budget.limit_nano


@pytest.mark.parametrize("amount", [1.5, 1, "1e3x", "1.0000000001", "-1", "99999999999999", "", None, "NaN", [], True])
def test_an_amount_is_a_decimal_text_that_can_be_kept_exactly(company: Company, api: Ask, amount: object) -> None:
    found = api("finance")("PATCH", f"budgets/{company.budgets['Search'].pk}", {"limit_usd": amount})

    assert found.status == 400
    assert found["detail"].endswith(".")


def test_a_budget_stands_as_the_console_shows_it(busy_company: Company, api: Ask) -> None:
    budget = api("developer")("GET", f"budgets/{busy_company.budgets['Search'].pk}")
    standing = budget["standing"]

    assert (budget["limit_usd"], standing["settled_usd"], standing["left_usd"]) == (
        "120.00",
        "73.535393671",
        "46.464606329",
    )
    assert budget["thresholds"][0] == {"percent": 50, "measure": "settled"}


def test_a_developer_issues_keys_of_their_own_alone(company: Company, api: Ask) -> None:
    developer, person = api("developer"), company.person("developer")
    body = {"team_id": company.teams["search"].pk, "name": "mine", "user_id": person.pk}
    issued = developer("POST", "keys", body)

    assert (issued.status, issued["key"]["user_id"]) == (201, person.pk)
    assert issued["text"].startswith("bsr_")
    assert developer("POST", "keys", body | {"user_id": company.person("owner").pk}).status == 403
    assert developer("POST", "keys", body | {"team_id": company.teams["research"].pk}).status == 404


def test_a_request_for_more_money_is_decided_by_somebody_else(busy_company: Company, api: Ask) -> None:
    asked = f"increase-requests/{busy_company.request_id}"
    by_service = api(SERVICE)("POST", f"{asked}/approve", {})
    approved = api("finance")("POST", f"{asked}/approve", {"amount_usd": "20", "reason": "fine"})

    assert (by_service.status, "personal token" in by_service["detail"]) == (403, True)
    assert (approved["state"], approved["granted_usd"]) == ("approved", "20.00")
    assert api("developer")("GET", f"budgets/{busy_company.budgets['Search'].pk}")["limit_usd"] == "140.00"


def test_a_token_cannot_make_more_of_itself(company: Company, api: Ask) -> None:
    assert api("admin")("POST", "tokens", {"name": "more", "scopes": ["all:write"]}).status == 405
