"""Regions: which labels are in one, and who may set what."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from governance.audit.models import AuditEvent
from governance.policy.regions import RegionRule, refusing
from governance.teams import operations
from governance.teams.errors import TenancyRefused
from governance.teams.models import Organisation, Team
from tests.support.company import ACTOR, found

EU = RegionRule("team search", ("eu",))


@pytest.mark.parametrize(
    ("label", "is_held"),
    [("eu", True), ("eu-central-1", True), ("europe", False), ("us-eu", False), ("", False), ("EU", False)],
)
def test_a_region_holds_its_own_label_and_finer_ones(label: str, is_held: bool) -> None:
    assert EU.holds(label) is is_held


def test_every_level_must_agree_and_the_first_that_does_not_is_named() -> None:
    germany = RegionRule("team search", ("eu-central-1", "eu-de"))
    assert refusing("eu-central-1", (EU, germany)) is None
    assert refusing("eu-west-1", (EU, germany)) is germany
    assert refusing("us", (EU, germany)) is EU
    assert refusing("anywhere", ()) is None


def run(*words: str) -> Any:
    printed = io.StringIO()
    call_command(*words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


@pytest.mark.django_db
def test_the_command_keeps_a_team_a_unit_or_everybody_in_regions() -> None:
    company = found()
    assert run("teams", "regions", "EU ", "us-east-1", "eu") == {"whose": "Acme", "regions": ["eu", "us-east-1"]}
    assert run("teams", "regions", "eu", "--unit", company.unit.name)["regions"] == ["eu"]
    assert run("teams", "regions", "eu", "--team", "search") == {"whose": "search", "regions": ["eu"]}
    assert run("teams", "regions", "--team", "search")["regions"] == []
    assert Organisation.objects.get().regions == ["eu", "us-east-1"]
    changes = AuditEvent.objects.filter(action__endswith=".regions_changed").order_by("id")
    assert [(event.action, event.before["regions"], event.after["regions"]) for event in changes] == [
        ("organisation.regions_changed", [], ["eu", "us-east-1"]),
        ("unit.regions_changed", [], ["eu"]),
        ("team.regions_changed", [], ["eu"]),
        ("team.regions_changed", ["eu"], []),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("region", ["", "e u", "eu_central", "-eu", "eu-", "é"])
def test_what_is_no_region_is_refused(region: str) -> None:
    found()
    with pytest.raises(CommandError, match="is no region: use letters, digits and hyphens"):
        run("teams", "regions", "--team", "search", "--", region)
    assert Team.objects.get(name="search").regions == []


@pytest.mark.django_db
def test_another_organisations_team_is_not_touched() -> None:
    company, other = found(), found("Other")
    with pytest.raises(TenancyRefused):
        operations.keep_in_regions(
            actor=ACTOR, organisation_id=other.organisation.pk, team_id=company.team.pk, regions=["eu"]
        )


@pytest.mark.django_db
def test_a_connection_is_placed_in_a_region() -> None:
    found()
    run("connections", "add", "openai_compatible", "--name", "vllm", "--region", "eu-west-1")
    assert run("connections", "place", "vllm", "eu-central-1")["region"] == "eu-central-1"
    assert run("connections", "place", "vllm")["region"] == ""
    changes = AuditEvent.objects.filter(action="connection.region_changed").order_by("id")
    assert [event.after["region"] for event in changes] == ["eu-central-1", ""]
