"""Organisations, units, cost centres, teams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.models import AuditEvent
from governance.audit.queries import first_broken_event
from governance.teams import operations, queries
from governance.teams.errors import (
    NameRefused,
    NameTaken,
    OrganisationNotFound,
    TeamNotFound,
    TenancyRefused,
    ZoneUnknown,
)
from governance.teams.names import clean_name, clean_tag
from governance.teams.operations import NewTeam
from tests.support.company import ACTOR, NOW, found, last_event


@pytest.mark.django_db
def test_founding_a_company_leaves_a_trail_that_verifies() -> None:
    company = found()
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["organisation.created", "unit.created", "cost_centre.created", "team.created"]
    assert last_event().subject == f"team:{company.team.pk}"
    assert last_event().after["name"] == "search"
    assert first_broken_event() is None


@pytest.mark.django_db
def test_names_are_taken_once_per_organisation() -> None:
    company, _ = found(), found("Other")
    with pytest.raises(NameTaken):
        company.add_team("search")
    with pytest.raises(NameTaken):
        operations.create_organisation(actor=ACTOR, name=" Acme ")
    with pytest.raises(NameTaken):
        operations.create_unit(actor=ACTOR, organisation_id=company.organisation.pk, name="Research")
    with pytest.raises(NameTaken):
        operations.create_cost_centre(actor=ACTOR, organisation_id=company.organisation.pk, code="4711")


@pytest.mark.django_db
def test_a_team_takes_its_unit_and_cost_centre_from_its_own_organisation() -> None:
    company, other = found(), found("Other")
    for unit, centre in ((other.unit, company.cost_centre), (company.unit, other.cost_centre)):
        new = NewTeam(
            organisation_id=company.organisation.pk, unit_id=unit.pk, cost_centre_id=centre.pk, name="infiltrators"
        )
        with pytest.raises(TenancyRefused):
            operations.create_team(actor=ACTOR, new=new)
    with pytest.raises(TenancyRefused):
        operations.move_team(actor=ACTOR, team_id=company.team.pk, cost_centre_id=other.cost_centre.pk)


@pytest.mark.django_db
def test_a_team_moves_to_another_cost_centre_and_the_trail_shows_both() -> None:
    company = found()
    centre = operations.create_cost_centre(actor=ACTOR, organisation_id=company.organisation.pk, code="4712")
    operations.move_team(actor=ACTOR, team_id=company.team.pk, cost_centre_id=centre.pk)
    event = last_event()
    assert event.before["cost_centre_id"] == company.cost_centre.pk
    assert event.after["cost_centre_id"] == centre.pk


@pytest.mark.django_db
def test_required_tags_are_kept_once_each_and_can_be_dropped() -> None:
    company = found()
    tags = ["feature", "customer", "feature"]
    assert operations.require_tags(actor=ACTOR, team_id=company.team.pk, tags=tags).required_tags == [
        "customer",
        "feature",
    ]
    assert operations.require_tags(actor=ACTOR, team_id=company.team.pk, tags=[]).required_tags == []
    with pytest.raises(NameRefused):
        operations.require_tags(actor=ACTOR, team_id=company.team.pk, tags=["a,b"])


@pytest.mark.django_db
def test_an_archived_team_is_listed_no_more_and_archiving_again_changes_nothing() -> None:
    company = found()
    for _ in range(2):
        operations.archive_team(actor=ACTOR, at=NOW, team_id=company.team.pk, reason="merged")
    assert not queries.teams_of(organisation_id=company.organisation.pk).exists()
    assert AuditEvent.objects.filter(action="team.archived", reason="merged").count() == 1


@pytest.mark.django_db
def test_the_only_organisation_needs_no_name_and_several_do() -> None:
    with pytest.raises(OrganisationNotFound, match="bursar up"):
        queries.organisation_named()
    company = found()
    assert queries.organisation_named() == company.organisation
    found("Other")
    with pytest.raises(OrganisationNotFound, match="several"):
        queries.organisation_named()
    assert queries.organisation_named(name="Acme") == company.organisation


@pytest.mark.django_db
def test_a_misspelt_team_is_answered_with_those_there_are() -> None:
    company = found()
    with pytest.raises(TeamNotFound, match="'search'"):
        queries.team_named(organisation=company.organisation, name="serach")


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "Europe"])
def test_only_real_zones_are_zones(zone: str) -> None:
    with pytest.raises(ZoneUnknown):
        operations.create_organisation(actor=ACTOR, name="Acme", zone=zone)


@given(st.text())
def test_a_clean_name_is_printable_and_stays_clean(text: str) -> None:
    try:
        name = clean_name(text, what="name")
    except NameRefused:
        return
    assert name
    assert name.isprintable() or " " in name or not name.isascii()
    assert clean_name(name, what="name") == name
    assert "\n" not in name


@pytest.mark.parametrize("text", ["", " ", "a" * 201, "a\x00b", "a\u202eb", "a\u200bb", "\ud800"])
def test_names_without_or_with_invisible_content_are_refused(text: str) -> None:
    with pytest.raises(NameRefused):
        clean_name(text, what="name")


@pytest.mark.parametrize("text", ["", "a b", "a,b", "a=b", "a;b", "a" * 129, "a\n"])
def test_names_of_tags_fit_into_the_header(text: str) -> None:
    if text == "a\n":
        assert clean_tag(text) == "a"
        return
    with pytest.raises(NameRefused):
        clean_tag(text)
