"""People, their memberships and roles, and what they may do."""

from collections.abc import Callable

import pytest

from governance.audit.models import AuditEvent
from governance.core.errors import Forbidden
from governance.teams import people, queries
from governance.teams.access import Access, access_of, ensure, visible_teams
from governance.teams.errors import LastAdministrator, NameRefused, NameTaken, PersonNotFound
from governance.teams.models import User
from governance.teams.operations import NewTeam, archive_team, create_team, create_unit
from governance.teams.people import Part, Role
from tests.support.company import ACTOR, NOW, PASSWORD, Company, found

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return found()


def add(name: str) -> User:
    return people.create_person(actor=ACTOR, email=f"{name}@acme.example", password=PASSWORD)


def give(user: User, company: Company, role: Role) -> None:
    people.give_role(actor=ACTOR, user_id=user.pk, organisation_id=company.organisation.pk, role=role)


def join(user: User, company: Company, part: Part) -> None:
    people.set_membership(actor=ACTOR, user_id=user.pk, team_id=company.team.pk, part=part)


def test_somebody_new_can_log_in_and_their_password_is_nowhere_in_the_trail() -> None:
    person = people.create_person(actor=ACTOR, email=" Dan@Acme.Example ", password=PASSWORD)
    assert person.email == "dan@acme.example"
    assert person.check_password(PASSWORD)
    assert person.password.startswith("argon2")
    assert PASSWORD not in str(list(AuditEvent.objects.values_list("before", "after")))


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("nobody", PASSWORD),
        ("a@b.example\r\nBcc: c@d.example", PASSWORD),
        ("dan@acme.example", "short"),
        ("dan@acme.example", "password1234"),
        ("dan@acme.example", "dan@acme.example"),
    ],
)
def test_a_wrong_address_or_a_weak_password_is_refused(email: str, password: str) -> None:
    with pytest.raises(NameRefused):
        people.create_person(actor=ACTOR, email=email, password=password)
    assert not User.objects.exists()


def test_an_address_belongs_to_one_person() -> None:
    add("dan")
    with pytest.raises(NameTaken):
        people.create_person(actor=ACTOR, email="DAN@acme.example", password=PASSWORD)


def test_a_part_in_a_team_changes_with_before_and_after(company: Company) -> None:
    dan = add("dan")
    for part in (Part.DEVELOPER, Part.DEVELOPER, Part.OWNER):
        join(dan, company, part)
    first, second = AuditEvent.objects.filter(action="membership.set").order_by("id")
    assert first.before is None
    assert (second.before["part"], second.after["part"]) == ("developer", "owner")
    people.remove_membership(actor=ACTOR, user_id=dan.pk, team_id=company.team.pk)
    people.remove_membership(actor=ACTOR, user_id=dan.pk, team_id=company.team.pk)
    assert not queries.members_of(team_id=company.team.pk).exists()
    assert AuditEvent.objects.filter(action="membership.removed").count() == 1


def test_the_last_administrator_stays(company: Company) -> None:
    ada, olga = add("ada"), add("olga")
    give(ada, company, Role.ADMIN)
    organisation_id = company.organisation.pk
    with pytest.raises(LastAdministrator):
        people.take_role(actor=ACTOR, user_id=ada.pk, organisation_id=organisation_id, role=Role.ADMIN)
    with pytest.raises(LastAdministrator):
        people.change_activity(actor=ACTOR, user_id=ada.pk, is_active=False)
    give(olga, company, Role.ADMIN)
    people.change_activity(actor=ACTOR, user_id=olga.pk, is_active=False)
    with pytest.raises(LastAdministrator):
        people.take_role(actor=ACTOR, user_id=ada.pk, organisation_id=organisation_id, role=Role.ADMIN)
    people.change_activity(actor=ACTOR, user_id=olga.pk, is_active=True)
    people.take_role(actor=ACTOR, user_id=ada.pk, organisation_id=organisation_id, role=Role.ADMIN)
    assert not access_of(user=ada).may_administer(organisation_id)


def test_an_unknown_person_is_not_found(company: Company) -> None:
    with pytest.raises(PersonNotFound):
        people.give_role(actor=ACTOR, user_id=0, organisation_id=company.organisation.pk, role=Role.ADMIN)
    with pytest.raises(PersonNotFound):
        queries.person_named(email="nobody@acme.example")


Rule = Callable[[Access, Company], bool]
RULES: dict[str, Rule] = {
    "see the organisation": lambda access, c: access.may_see_organisation(c.organisation.pk),
    "administer": lambda access, c: access.may_administer(c.organisation.pk),
    "see spend": lambda access, c: access.may_see_spend(c.organisation.pk),
    "change budgets": lambda access, c: access.may_change_budgets(c.organisation.pk),
    "write statements": lambda access, c: access.may_write_statements(c.organisation.pk),
    "see settings": lambda access, c: access.may_see_settings(c.organisation.pk),
    "see the trail": lambda access, c: access.may_see_trail(c.organisation.pk),
    "see the team": lambda access, c: access.may_see_team(organisation_id=c.organisation.pk, team_id=c.team.pk),
    "manage the team": lambda access, c: access.may_manage_team(organisation_id=c.organisation.pk, team_id=c.team.pk),
    "see a shared key": lambda access, c: access.may_see_key(
        organisation_id=c.organisation.pk, team_id=c.team.pk, user_id=None
    ),
    "see their own key": lambda access, c: access.may_see_key(
        organisation_id=c.organisation.pk, team_id=c.team.pk, user_id=access.user_id
    ),
    "change a shared key": lambda access, c: access.may_change_key(
        organisation_id=c.organisation.pk, team_id=c.team.pk, user_id=None
    ),
    "change their own key": lambda access, c: access.may_change_key(
        organisation_id=c.organisation.pk, team_id=c.team.pk, user_id=access.user_id
    ),
    "see the organisation's budget": lambda access, c: access.may_see_budget(
        organisation_id=c.organisation.pk, team_id=None, user_id=None
    ),
    "see the unit's budget": lambda access, c: access.may_see_budget(
        organisation_id=c.organisation.pk, team_id=None, user_id=None, unit_id=c.unit.pk
    ),
    "ask for more in the unit's budget": lambda access, c: access.may_ask_for_increase(
        team_id=None, user_id=None, unit_id=c.unit.pk
    ),
    "see the team's budget": lambda access, c: access.may_see_budget(
        organisation_id=c.organisation.pk, team_id=c.team.pk, user_id=None
    ),
    "see a colleague's budget": lambda access, c: access.may_see_budget(
        organisation_id=c.organisation.pk, team_id=c.team.pk, user_id=0
    ),
}
READING = {
    "see the organisation",
    "see spend",
    "see the team",
    "see a shared key",
    "see their own key",
    "see the organisation's budget",
    "see the unit's budget",
    "see the team's budget",
    "see a colleague's budget",
}
OWNING = {
    "see the organisation",
    "see the team",
    "manage the team",
    "see a shared key",
    "see their own key",
    "change a shared key",
    "change their own key",
    "see the team's budget",
    "see a colleague's budget",
}
MAY = {
    "admin": set(RULES) - {"ask for more in the unit's budget"},
    "finance": READING | {"change budgets", "write statements"},
    "auditor": READING | {"see settings", "see the trail"},
    "unit owner": OWNING | {"see the unit's budget", "ask for more in the unit's budget"},
    "owner": OWNING,
    "developer": {
        "see the organisation",
        "see the team",
        "see their own key",
        "change their own key",
        "see the team's budget",
    },
    "stranger": set(),
}


def become(user: User, company: Company, role: str) -> None:
    if role in Role.values:
        give(user, company, Role(role))
    elif role == "unit owner":
        people.give_unit(actor=ACTOR, user_id=user.pk, unit_id=company.unit.pk)
    elif role in Part.values:
        join(user, company, Part(role))


@pytest.mark.parametrize("role", MAY)
def test_each_role_may_do_what_the_table_says_and_nothing_else(company: Company, role: str) -> None:
    person = add("person")
    become(person, company, role)
    access = access_of(user=person)
    assert {name for name, rule in RULES.items() if rule(access, company)} == MAY[role]
    assert visible_teams(access).exists() is ("see the team" in MAY[role])


@pytest.mark.parametrize("role", MAY)
def test_no_role_reaches_into_another_organisation(company: Company, role: str) -> None:
    other, person = found("Other"), add("person")
    become(person, company, role)
    access = access_of(user=person)
    assert [name for name, rule in RULES.items() if rule(access, other)] == []
    assert other.team not in visible_teams(access)


@pytest.mark.parametrize("role", MAY)
def test_nobody_who_is_inactive_may_do_anything(company: Company, role: str) -> None:
    person = add("person")
    become(person, company, role)
    User.objects.filter(pk=person.pk).update(is_active=False, is_superuser=True)
    access = access_of(user=User.objects.get(pk=person.pk))
    assert [name for name, rule in RULES.items() if rule(access, company)] == []


def test_an_owner_of_a_unit_owns_its_teams_those_to_come_included_and_no_others(company: Company) -> None:
    uma = add("uma")
    people.give_unit(actor=ACTOR, user_id=uma.pk, unit_id=company.unit.pk)
    later = company.add_team("later")
    unit = create_unit(actor=ACTOR, organisation_id=company.organisation.pk, name="Sales")
    new = NewTeam(
        organisation_id=company.organisation.pk, unit_id=unit.pk, cost_centre_id=company.cost_centre.pk, name="sales"
    )
    create_team(actor=ACTOR, new=new)
    assert access_of(user=uma).parts == {company.team.pk: "owner", later.pk: "owner"}
    assert uma in queries.people_of(organisation_id=company.organisation.pk)
    people.take_unit(actor=ACTOR, user_id=uma.pk, unit_id=company.unit.pk)
    people.take_unit(actor=ACTOR, user_id=uma.pk, unit_id=company.unit.pk)
    assert access_of(user=uma).home_ids == frozenset()
    assert AuditEvent.objects.filter(action="unit.owner_removed").count() == 1


def test_a_superuser_without_a_role_may_do_nothing(company: Company) -> None:
    root = User.objects.create_superuser(username="root", email="root@acme.example", password=PASSWORD)
    assert [name for name, rule in RULES.items() if rule(access_of(user=root), company)] == []


def test_an_archived_team_gives_its_members_nothing(company: Company) -> None:
    dan = add("dan")
    join(dan, company, Part.OWNER)
    archive_team(actor=ACTOR, at=NOW, team_id=company.team.pk)
    assert [name for name, rule in RULES.items() if rule(access_of(user=dan), company)] == []


def test_what_is_not_allowed_is_said_in_a_sentence() -> None:
    ensure(is_allowed=True, what="see this")
    with pytest.raises(Forbidden, match="You may not see this: ask an administrator"):
        ensure(is_allowed=False, what="see this")
