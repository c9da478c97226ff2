"""Lists by keyset, errors as problems, fields that are not known."""

from typing import Any

import pytest

from governance.audit.models import AuditEvent
from tests.api.asking import Answer, Api
from tests.api.conftest import Ask
from tests.console.demo import Company


def _all(api: Api, address: str, size: int) -> list[Any]:
    rows: list[Any] = []
    after = ""
    while True:
        page = api("GET", f"{address}?limit={size}{after}")
        rows += page["data"]
        if page["next"] is None:
            return rows
        after = f"&after={page['next']}"


def test_pages_follow_each_other_without_gap_or_repetition(busy_company: Company, api: Ask) -> None:
    admin = api("admin")
    for address, size in (("requests", 20), ("keys", 2), ("budgets", 2), ("teams", 2), ("statements", 1)):
        at_once = _all(admin, address, 200)

        assert len(at_once) >= 3
        assert _all(admin, address, size) == at_once


def test_requests_are_narrowed(busy_company: Company, api: Ask) -> None:
    admin = api("admin")
    team = busy_company.teams["search"].pk
    query = f"team_id={team}&since=2026-11-20T00:00:00Z&failed=false&limit=200"
    narrowed = admin("GET", f"requests?{query}")["data"]

    assert 0 < len(narrowed) < len(_all(admin, "requests", 200))
    assert {row["team_id"] for row in narrowed} == {team}
    assert min(row["admitted_at"] for row in narrowed) >= "2026-11-20"
    assert {row["http_status"] for row in narrowed} == {200}


def test_a_request_is_explained_to_the_last_digit(busy_company: Company, api: Ask) -> None:
    record = busy_company.latest_record()
    found = api("developer")("GET", f"requests/{record.attempt_id}")
    [revision] = found["revisions"]

    assert revision["adds_up"] is True
    assert revision["lines"][0]["price_usd_per_million"] == "0.1503"
    assert {posting["account"] for posting in revision["booking"]["postings"]} >= {"cost_centre_expense"}
    assert [each["name"] for each in found["budgets"]]


def _problem(found: Answer, status: int, code: str) -> None:
    assert (found.status, found["status"], found["code"]) == (status, status, code)
    assert found.headers["Content-Type"] == "application/problem+json"
    assert found["type"] == f"urn:bursar:error:{code}"
    assert found["detail"].endswith(".")


@pytest.mark.parametrize(
    ("method", "address", "body", "status", "code"),
    [
        ("GET", "nowhere", None, 404, "not_found"),
        ("GET", "keys/", None, 404, "not_found"),
        ("GET", "keys/%0A", None, 404, "not_found"),
        ("GET", "keys/9223372036854775808", None, 404, "not_found"),
        ("GET", "keys/1234567890123456789012345678901234567890", None, 404, "not_found"),
        ("GET", "reports/2026-13", None, 404, "not_found"),
        ("PUT", "keys", {}, 405, "method_not_allowed"),
        ("GET", "keys?limit=0", None, 400, "fields_invalid"),
        ("GET", "keys?limits=5", None, 400, "fields_invalid"),
        ("GET", "keys?after=%00", None, 400, "fields_invalid"),
        ("GET", "keys?after=", None, 400, "fields_invalid"),
        ("GET", "keys?limit=1&limit=2", None, 400, "fields_invalid"),
        ("GET", "keys?after=x", None, 400, "cursor_invalid"),
        ("GET", "keys?after=LTE", None, 400, "cursor_invalid"),
        ("GET", "requests?after=MjAyNg", None, 400, "cursor_invalid"),
        ("POST", "units", b"{", 400, "bad_request"),
        ("POST", "units", b'{"name": NaN}', 400, "bad_request"),
        ("POST", "units", b"[]", 400, "fields_invalid"),
        ("POST", "units", b"\xff", 400, "bad_request"),
        ("POST", "units", b"[" * 100_000, 400, "bad_request"),
        ("POST", "units", b"1" * 100_000, 400, "bad_request"),
        ("POST", "units", {"name": "\ud800"}, 400, "fields_invalid"),
        ("POST", "units", {"name": "a\0b"}, 400, "fields_invalid"),
        ("POST", "units", {"name": "a", "organisation_id": 1}, 400, "fields_invalid"),
        ("POST", "units", {"name": "Products"}, 409, "conflict"),
        ("POST", "units", b" " * 3_000_000, 413, "request_too_large"),
    ],
)
def test_what_is_wrong_is_a_problem(
    company: Company, api: Ask, method: str, address: str, body: Any, status: int, code: str
) -> None:
    _problem(api("admin")(method, address, body), status, code)


def test_a_field_that_is_wrong_is_pointed_at(company: Company, api: Ask) -> None:
    found = api("admin")(
        "POST", "budgets", {"name": "x", "limit_usd": "1", "window": "day", "thresholds": [{"percent": 0}], "nmae": 1}
    )

    assert {each["pointer"] for each in found["errors"]} == {"/nmae"}
    assert "The fields are: name" in found["detail"]


def test_the_trail_of_an_organisation_says_who_changed_what(company: Company, api: Ask) -> None:
    api("admin")("POST", "units", {"name": "new"})
    found = api("auditor")("GET", "audit-events?action=unit&limit=1")
    [event] = found["data"]

    assert (event["actor"], event["action"]) == (company.person("admin").email, "unit.created")
    assert event["after"]["name"] == "new"
    assert api("auditor")("GET", "audit-events?since=2027-01-01T00:00:00Z")["data"] == []


@pytest.mark.parametrize(
    ("method", "address", "body", "pointer"),
    [
        ("POST", "units", {"name": 7}, "/name"),
        ("PATCH", "sign-in-rules", {"are_personal_keys_kept": 1}, "/are_personal_keys_kept"),
        ("PATCH", "organisation", {"drift_alarm_permille": "7"}, "/drift_alarm_permille"),
        ("PATCH", "organisation", {"drift_alarm_permille": True}, "/drift_alarm_permille"),
        ("POST", "access-groups", {"name": "new", "patterns": ["a-*", 7]}, "/patterns/1"),
        (
            "POST",
            "invitations",
            {"email": "a@b.example", "teams": [{"team_id": "7", "part": "owner"}]},
            "/teams/0/team_id",
        ),
        ("POST", "audit-events/export", {"since": 20261201}, "/since"),
        ("POST", "connections", {"name": "a", "provider": "b", "options": {"region": 7}}, "/options/region"),
    ],
)
def test_a_value_of_another_type_is_refused_where_it_stands(
    company: Company, api: Ask, method: str, address: str, body: object, pointer: str
) -> None:
    refused = api("admin")(method, address, body)
    assert (refused.status, refused["code"]) == (400, "fields_invalid")
    assert [each["pointer"] for each in refused["errors"]] == [pointer]


def test_an_entity_tag_that_cannot_be_one_is_refused(company: Company, api: Ask) -> None:
    address = f"teams/{company.teams['search'].pk}"
    assert api("admin")("PATCH", address, {"regions": []}, If_Match='"a" "b"').status == 400
    assert api("admin")("PATCH", address, {"regions": []}, If_Match='"a","b"').status == 412


def test_the_trail_is_taken_out_and_proved(busy_company: Company, api: Ask) -> None:
    assert api("admin")("POST", "keys", {"team_id": busy_company.teams["search"].pk, "name": "new"}).status == 201
    auditor = api("auditor", "audit:read")
    proof = auditor("POST", "audit-events/proof", {})
    assert (proof["is_whole"], proof["broken_event_id"], proof["has_expected"]) == (True, None, None)
    assert auditor("POST", "audit-events/proof", {"expected": proof["head"]})["has_expected"] is True
    assert auditor("POST", "audit-events/proof", {"expected": "0" * 64})["has_expected"] is False

    taken = auditor("POST", "audit-events/export", {"action": "key"})
    assert taken.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, *lines = taken.content.decode().splitlines()
    assert header.startswith("Id,When,Who")
    assert len(lines) == AuditEvent.objects.filter(action__startswith="key.").count() > 0
    assert AuditEvent.objects.filter(action="audit.exported").count() == 1


def test_a_file_is_answered_with_its_bytes(busy_company: Company, api: Ask) -> None:
    address = f"statements/{busy_company.statement_id}/content"
    file = api("finance")("GET", address, Accept="text/csv")

    assert (file.status, file.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert file.content.startswith(b"Month,")
    refused = api("developer")("GET", address, Accept="text/csv")
    _problem(refused, 403, "forbidden")
