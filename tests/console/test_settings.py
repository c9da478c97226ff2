"""What concerns the whole organisation."""

from governance.alerts.drift import drift_permille
from governance.audit.models import AuditEvent
from governance.chargeback.closing import needs_second_person
from tests.api.asking import api_of
from tests.console.conftest import LogIn
from tests.console.demo import Company, found_company


def test_an_administrator_changes_settings_and_an_auditor_reads_them(company: Company, log_in: LogIn) -> None:
    wanted = {"name": "Acme Group", "regions": "eu, ch", "drift_percent": "2.5", "needs_second_person": "on"}
    text = log_in("admin").post("/settings/", wanted, follow=True).content.decode()
    assert "The settings are changed." in text
    company.organisation.refresh_from_db()
    assert (company.organisation.name, company.organisation.regions) == ("Acme Group", ["ch", "eu"])
    assert drift_permille(organisation=company.organisation) == 25
    assert needs_second_person(organisation=company.organisation)
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"organisation.renamed", "organisation.drift_alarm_changed"} <= actions

    auditor = log_in("auditor")
    assert "Acme Group" in auditor.get("/settings/").content.decode()
    assert auditor.post("/settings/", wanted).status_code == 403


def test_a_taken_name_changes_nothing_of_the_rest(company: Company, log_in: LogIn) -> None:
    found_company(name="Other Company")
    wanted = {"name": "Other Company", "regions": "eu", "drift_percent": "2.5"}
    assert "There is an organisation" in log_in("admin").post("/settings/", wanted).content.decode()
    company.organisation.refresh_from_db()
    assert company.organisation.regions == []


def test_programs_change_the_organisation_its_units_and_its_teams(company: Company) -> None:
    api = api_of(company, "admin", ["teams:write"])
    changed = api("PATCH", "organisation", {"name": "Acme Group", "drift_alarm_permille": 0})
    assert (changed["name"], changed["drift_alarm_permille"]) == ("Acme Group", 0)
    unit = api("POST", "units", {"name": "Labs"})
    assert api("PATCH", f"units/{unit['id']}", {"name": "Research labs"})["name"] == "Research labs"
    team = api("PATCH", f"teams/{company.teams['search'].pk}", {"name": "find", "unit_id": unit["id"]})
    assert (team["name"], team["unit_id"]) == ("find", unit["id"])
    assert team["cost_centre_id"] == company.teams["search"].cost_centre_id
