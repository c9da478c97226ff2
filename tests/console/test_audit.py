"""The audit trail in the console: read, narrowed, proved, taken out."""

import csv
import io

import pytest

from governance.audit.models import AuditEvent
from governance.audit.operations import Actor, record
from tests.console.conftest import LogIn
from tests.console.demo import Company, found_company, leave_a_trail
from tests.support.broken_books import damage


@pytest.fixture
def trail(company: Company) -> list[AuditEvent]:
    leave_a_trail(company)
    return list(AuditEvent.objects.order_by("id"))


@pytest.mark.parametrize(
    ("query", "is_shown"),
    [
        ({}, True),
        ({"action": "budget"}, True),
        ({"action": "bud"}, False),
        ({"subject": "team:0"}, False),
        ({"actor": "somebody@else.example"}, False),
        ({"since": "2020-01-01", "until": "2020-01-02"}, False),
        ({"before": "1"}, False),
    ],
)
def test_events_are_found_by_who_what_and_when(
    company: Company, log_in: LogIn, trail: list[AuditEvent], query: dict[str, str], is_shown: bool
) -> None:
    page = log_in("auditor").get("/audit/", query).content.decode()
    assert ("the fair in May" in page) is is_shown


def test_an_event_shows_what_it_changed(company: Company, log_in: LogIn, trail: list[AuditEvent]) -> None:
    event = next(each for each in trail if each.action.startswith("team."))
    page = log_in("admin").get("/audit/", {"subject": event.subject}).content.decode()
    assert "<del>[]</del>" in page and "<ins>[&quot;eu&quot;]</ins>" in page
    assert bytes(event.digest).hex() in page


def test_the_list_pages_by_the_id_of_the_last_event(company: Company, log_in: LogIn) -> None:
    with_number = [record(actor=Actor(name=f"task:{n}"), action="x.y", subject="x:1") for n in range(52)]
    client = log_in("auditor")
    page = client.get("/audit/").content.decode()
    assert f"before={with_number[2].pk}" in page
    older = client.get("/audit/", {"before": with_number[2].pk}).content.decode()
    assert "task:0" in older and "task:1" in older and "task:2<" not in older


def test_other_organisations_and_the_installations_own_events_stay_apart(
    company: Company, log_in: LogIn, trail: list[AuditEvent]
) -> None:
    record(actor=Actor(name="task:nightly"), action="task.ran", subject="task:1")
    alone = log_in("auditor").get("/audit/").content.decode()
    leave_a_trail(found_company(name="Other Company"))
    page = log_in("auditor").get("/audit/").content.decode()

    assert "task:nightly" in alone and "task:nightly" not in page
    assert page.count("the fair in May") == 1


def test_the_chain_is_proved_with_and_without_a_seal_that_was_kept(
    company: Company, log_in: LogIn, trail: list[AuditEvent]
) -> None:
    client = log_in("auditor")
    seal = bytes(trail[-1].digest).hex()
    assert f"All {len(trail)} events verify" in client.post("/audit/verify/").content.decode()
    assert "nothing was cut off since" in client.post("/audit/verify/", {"expected": seal}).content.decode()
    damage("DELETE FROM audit_auditevent WHERE id = %s", trail[-1].pk)
    assert "was cut off" in client.post("/audit/verify/", {"expected": seal}).content.decode()
    damage("DELETE FROM audit_auditevent WHERE id = %s", trail[1].pk)
    assert f"does not verify from event {trail[2].pk} on" in client.post("/audit/verify/").content.decode()


def test_whoever_takes_the_trail_out_stands_in_it(company: Company, log_in: LogIn, trail: list[AuditEvent]) -> None:
    answer = log_in("auditor").post("/audit/export/", {"action": "budget"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))

    assert [row["Reason"] for row in rows] == ["the fair is over", "the fair in May"]
    assert rows[0]["Digest"] == bytes(trail[-1].digest).hex()
    event = AuditEvent.objects.get(action="audit.exported")
    assert (event.actor, event.after) == (company.person("auditor").email, {"action": "budget"})


@pytest.mark.parametrize("role", ["finance", "owner", "developer"])
def test_nobody_else_takes_it_out(company: Company, log_in: LogIn, role: str) -> None:
    assert log_in(role).post("/audit/export/").status_code == 403
    assert log_in(role).post("/audit/verify/").status_code == 403
