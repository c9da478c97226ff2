"""The organisation in the console: units, teams and their people, and many keys."""

import re

import pytest

from governance.audit.models import AuditEvent
from governance.keys.models import VirtualKey
from governance.teams.models import BusinessUnit, CostCentre, Membership, Team, User
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Company

FIELDS = {"name": "search", "unit": "Products", "cost_centre": "4711"}


def test_the_tree_rolls_up_what_teams_spend(busy_company: Company, log_in: LogIn) -> None:
    page = log_in("finance").get("/teams/").content.decode()
    rows = [re.sub(r"<[^>]+>|\s+", " ", row) for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL)]
    spent = [float(match[1]) for row in rows if (match := re.search(r"\$(\d+\.\d+)", row))]
    assert "Products" in rows[1] and len(spent) == 4
    assert spent[0] == pytest.approx(sum(spent[1:]), abs=0.03), "the unit's is the sum of its teams', each rounded"
    assert "of $120.00" in page


def test_a_team_is_made_with_its_unit_and_cost_centre_then_moved_and_archived(company: Company, log_in: LogIn) -> None:
    client = log_in("admin")
    client.post(
        "/teams/new/", {"name": "sales", "unit": "Market", "cost_centre": "9001", "required_tags": "deal, area"}
    )
    team = Team.objects.get(name="sales")
    assert (team.unit.name, team.cost_centre.code, team.required_tags) == ("Market", "9001", ["area", "deal"])

    moved = {"name": "sales", "unit": "Products", "cost_centre": "4711", "reason": "reorganised"}
    client.post(f"/teams/{team.pk}/change/", moved)
    team.refresh_from_db()
    assert (team.unit.name, team.cost_centre.code, team.required_tags) == ("Products", "4711", [])
    event = AuditEvent.objects.get(action="team.changed")
    assert (event.reason, event.before["unit"], event.after["unit"]) == ("reorganised", "Market", "Products")

    client.post(f"/teams/{team.pk}/archive/", {"reason": "no more sales"})
    assert ">sales</a>" not in client.get("/teams/").content.decode()
    assert AuditEvent.objects.get(action="team.archived").reason == "no more sales"


def test_names_are_unique_and_a_unit_is_renamed(company: Company, log_in: LogIn) -> None:
    client, unit = log_in("admin"), company.teams["search"].unit
    assert "has a team" in client.post("/teams/new/", FIELDS).content.decode()
    assert "has a team" in client.post(f"/teams/{company.teams['research'].pk}/change/", FIELDS).content.decode()
    client.post(f"/teams/units/{unit.pk}/", {"name": "Product lines"})
    assert BusinessUnit.objects.get(pk=unit.pk).name == "Product lines"
    assert (BusinessUnit.objects.count(), CostCentre.objects.count()) == (1, 3)


def test_an_owner_takes_people_in_changes_their_part_and_lets_them_go(company: Company, log_in: LogIn) -> None:
    client, team = log_in("owner"), company.teams["search"]
    newcomer = User.objects.create(username="neo@acme.example", email="neo@acme.example")
    path = f"/teams/{team.pk}/members/"

    assert "Nobody" in client.post(f"{path}new/", {"email": "who@acme.example", "part": "owner"}).content.decode()
    client.post(f"{path}new/", {"email": "Neo@acme.example", "part": "developer"})
    assert Membership.objects.get(user=newcomer, team=team).part == "developer"
    client.post(f"{path}{newcomer.pk}/", {"part": "owner"})
    assert "neo@acme.example" in client.get(f"/teams/{team.pk}/").content.decode()
    assert Membership.objects.get(user=newcomer, team=team).part == "owner"
    client.post(f"{path}{newcomer.pk}/", {"part": "none"})
    assert not Membership.objects.filter(user=newcomer).exists()


def test_keys_are_found_and_paged_working_ones_first(company: Company, log_in: LogIn) -> None:
    team = company.teams["assistant"]
    VirtualKey.objects.bulk_create(
        VirtualKey(organisation=company.organisation, team=team, name=f"robot-{number:03}", revoked_at=at)
        for number, at in ((number, None if number % 2 else NOW) for number in range(60))
    )
    client, names, path = log_in("auditor"), [], "/keys/?q=robot"
    while path:
        page = client.get(path).content.decode()
        names += re.findall(r">(robot-\d+)</a>", page)
        following = re.search(r'rel="next" href="(\?[^"]+)"', page)
        path = f"/keys/{following[1].replace('&amp;', '&')}" if following else ""
    wanted = [f"robot-{number:03}" for number in [*range(59, 0, -2), *range(58, -1, -2)]]

    assert names == wanted
    assert (
        "search-ada" in client.get("/keys/", {"q": f"bsr_demo{company.keys['search-ada'].pk:08d}_x"}).content.decode()
    )
    assert "No key matches" in client.get("/keys/", {"q": "robot", "team": company.teams["search"].pk}).content.decode()
