"""Routes in the console: made, changed, tried without a call, and retired."""

import pytest

from governance.audit.models import AuditEvent
from governance.catalog.models import Deployment, ModelAlias
from tests.console.conftest import LogIn
from tests.console.demo import Company


def deployment(company: Company, name: str) -> Deployment:
    return company.models[name].deployments.get(connection=company.connection)


def wish(company: Company, *names: str, routing: str = "order", **more: str) -> dict[str, str]:
    places = {f"place_{deployment(company, name).pk}": str(place) for place, name in enumerate(names, start=1)}
    return {"routing": routing, **places, **more}


def test_a_route_is_made_reordered_and_retired(company: Company, log_in: LogIn) -> None:
    client = log_in("admin")
    made = client.post("/routes/new/", wish(company, "falcon-mini", "falcon-large", name="cheap"))
    alias = ModelAlias.objects.get(name="cheap")
    assert made.headers["Location"] == f"/routes/{alias.pk}/"

    large = deployment(company, "falcon-large")
    again = wish(
        company, "falcon-large", "falcon-mini", routing="weight", leaves_own="on", **{f"weight_{large.pk}": "7"}
    )
    assert client.post(f"/routes/{alias.pk}/change/", again).status_code == 302
    alias.refresh_from_db()
    assert (alias.routing, alias.leaves_own) == ("weight", True)
    assert list(alias.targets.values_list("deployment__upstream_name", "weight")) == [
        ("falcon-large", 7),
        ("falcon-mini", 1),
    ]
    assert "cheap" in client.get("/routes/").content.decode()

    client.post(f"/routes/{alias.pk}/retire/", {"reason": "nobody uses it"})
    assert not ModelAlias.objects.filter(name="cheap").exists()
    assert AuditEvent.objects.get(action="alias.removed").reason == "nobody uses it"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "no blanks please"}, "cannot be an alias"),
        ({"name": "smart"}, "has an alias"),
        ({"name": "new", "routing": "magic"}, "Select a valid choice"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused(
    company: Company, log_in: LogIn, change: dict[str, str], sentence: str
) -> None:
    page = log_in("admin").post("/routes/new/", wish(company, "falcon-mini") | change)
    assert (page.status_code, sentence in page.content.decode()) == (200, True)


def test_places_say_what_belongs_to_the_route(company: Company, log_in: LogIn) -> None:
    client = log_in("admin")
    nothing = client.post("/routes/new/", {"name": "new", "routing": "order"}).content.decode()
    places = {f"place_{deployment(company, name).pk}": "1" for name in ("falcon-mini", "falcon-large")}
    twice = client.post("/routes/new/", {"name": "new", "routing": "order", **places}).content.decode()

    assert "leads nowhere" in nothing
    assert "the same place" in twice
    assert not ModelAlias.objects.filter(name="new").exists()


def test_a_dry_run_says_who_would_be_asked_and_why(company: Company, log_in: LogIn) -> None:
    client = log_in("auditor")
    path = f"/routes/{company.alias_id}/?input_tokens=1000&output_tokens=500&team="

    page = client.get(f"{path}{company.teams['search'].pk}").content.decode()
    assert "comes first in 75 of 100 calls" in page
    assert "$0.007500" in page, "1,000 tokens at 2.50 and 500 at 10 dollars per million"

    key = company.keys["search-production"]
    elsewhere = client.get(f"{path}{company.teams['research'].pk}&key={key.pk}")
    assert "choose that team" in elsewhere.content.decode()


def test_a_model_is_reached_through_a_connection_only_with_a_price(company: Company, log_in: LogIn) -> None:
    client = log_in("admin")
    assert company.connection is not None
    form = {"connection": company.connection.pk, "model": "falcon-large", "upstream_name": "falcon-eu", "region": "EU"}

    client.post("/routes/deployments/new/", form)
    unknown = client.post("/routes/deployments/new/", form | {"model": "hawk"}).content.decode()

    assert Deployment.objects.get(upstream_name="falcon-eu").region == "eu"
    assert "no model sandbox/hawk" in unknown
