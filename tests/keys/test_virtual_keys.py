"""Issuing, rotating and revoking keys."""

from datetime import timedelta

import pytest

from governance.audit.models import AuditEvent
from governance.keys import operations, queries
from governance.keys.errors import KeyNotFound, KeyRefused, KeyRevoked
from governance.keys.models import KeySecret
from governance.keys.operations import NewKey
from governance.keys.secret import parse_secret
from governance.teams.access import access_of
from governance.teams.errors import NameRefused, TeamNotFound
from governance.teams.models import Membership
from governance.teams.operations import archive_team
from governance.teams.people import create_person, set_membership
from tests.support.company import ACTOR, NOW, PASSWORD, PEPPER, Company, found, last_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return found()


def test_an_issued_key_is_verifiable_and_its_text_is_kept_nowhere(company: Company) -> None:
    issued = company.issue_key()
    text = parse_secret(issued.text)
    row = KeySecret.objects.get(public_id=text.public_id)
    assert row.key == issued.key
    assert text.matches(bytes(row.digest), pepper=PEPPER)
    assert text.secret.encode() not in bytes(row.digest)
    assert not AuditEvent.objects.filter(after__icontains=text.secret).exists()
    assert issued.text not in repr(issued)


def test_issuing_is_in_the_trail_with_the_visible_prefix(company: Company) -> None:
    issued = company.issue_key("ci")
    event = last_event()
    assert (event.action, event.actor, event.subject) == ("key.issued", ACTOR.name, f"key:{issued.key.pk}")
    assert event.after["name"] == "ci"
    assert event.after["prefix"] == parse_secret(issued.text).public_id


def test_a_key_keeps_its_defaults_and_its_expiry(company: Company) -> None:
    new = NewKey(
        team_id=company.team.pk,
        name="batch",
        default_tags={"feature": "search"},
        default_max_output_tokens=500,
        expires_at=NOW + timedelta(days=1),
    )
    key = operations.issue(actor=ACTOR, at=NOW, pepper=PEPPER, new=new).key
    key.refresh_from_db()
    assert key.default_tags == {"feature": "search"}
    assert key.default_max_output_tokens == 500
    assert queries.state(key=key, at=NOW) == "active"
    assert queries.state(key=key, at=NOW + timedelta(days=1)) == "expired"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "  "}, NameRefused),
        ({"name": "a\r\nb"}, NameRefused),
        ({"expires_at": NOW}, KeyRefused),
        ({"default_max_output_tokens": 0}, KeyRefused),
        ({"default_max_output_tokens": 2**63}, KeyRefused),
        ({"default_tags": {"a=b": "c"}}, NameRefused),
        ({"default_tags": {"a": "c\n"}}, NameRefused),
        ({"team_id": 0}, TeamNotFound),
    ],
)
def test_an_impossible_key_is_refused_and_leaves_nothing(
    company: Company, fields: dict[str, object], error: type[Exception]
) -> None:
    new = NewKey(**{"team_id": company.team.pk, "name": "key", **fields})  # type: ignore[arg-type]  # one is wrong
    with pytest.raises(error):
        operations.issue(actor=ACTOR, at=NOW, pepper=PEPPER, new=new)
    assert not KeySecret.objects.exists()


def test_an_archived_team_gets_no_key(company: Company) -> None:
    archive_team(actor=ACTOR, at=NOW, team_id=company.team.pk)
    with pytest.raises(KeyRefused, match="archived"):
        company.issue_key()


def test_revoking_is_final_and_noted_once(company: Company) -> None:
    key = company.issue_key().key
    operations.revoke(actor=ACTOR, at=NOW, key_id=key.pk, reason="lost laptop")
    operations.revoke(actor=ACTOR, at=NOW + timedelta(hours=1), key_id=key.pk)
    key.refresh_from_db()
    assert key.revoked_at == NOW
    assert queries.state(key=key, at=NOW) == "revoked"
    assert AuditEvent.objects.filter(action="key.revoked", reason="lost laptop").count() == 1
    assert AuditEvent.objects.filter(action="key.revoked").count() == 1
    with pytest.raises(KeyRevoked):
        operations.rotate(actor=ACTOR, at=NOW, key_id=key.pk, pepper=PEPPER, grace=timedelta(0))


def test_after_a_rotation_the_old_text_works_for_the_grace_period_only(company: Company) -> None:
    first = company.issue_key()
    second = operations.rotate(actor=ACTOR, at=NOW, key_id=first.key.pk, pepper=PEPPER, grace=timedelta(hours=2))
    assert second.key == first.key
    old, new = first.key.secrets.order_by("id")
    assert old.expires_at == NOW + timedelta(hours=2)
    assert new.expires_at is None
    assert new.public_id == parse_secret(second.text).public_id


def test_another_rotation_never_lengthens_an_earlier_grace_period(company: Company) -> None:
    key = company.issue_key().key
    operations.rotate(actor=ACTOR, at=NOW, key_id=key.pk, pepper=PEPPER, grace=timedelta(hours=1))
    operations.rotate(actor=ACTOR, at=NOW, key_id=key.pk, pepper=PEPPER, grace=timedelta(days=1))
    oldest, middle, newest = key.secrets.order_by("id")
    assert oldest.expires_at == NOW + timedelta(hours=1)
    assert middle.expires_at == NOW + timedelta(days=1)
    assert newest.expires_at is None


@pytest.mark.parametrize("grace", [timedelta(seconds=-1), timedelta(days=91)])
def test_a_grace_period_is_bounded(company: Company, grace: timedelta) -> None:
    key = company.issue_key().key
    with pytest.raises(KeyRefused):
        operations.rotate(actor=ACTOR, at=NOW, key_id=key.pk, pepper=PEPPER, grace=grace)


def test_a_key_is_found_by_id_by_prefix_and_by_its_whole_text(company: Company) -> None:
    issued = company.issue_key()
    for name in (str(issued.key.pk), queries.prefix(key=issued.key), issued.text):
        assert queries.key_named(text=name) == issued.key


@pytest.mark.parametrize("text", ["", "0", "99999999999999999999", "bsr_", "nobody", "٣"])
def test_an_unknown_key_is_said_to_be_unknown(company: Company, text: str) -> None:
    with pytest.raises(KeyNotFound):
        queries.key_named(text=text)


def test_people_see_the_keys_that_are_theirs_to_see(company: Company) -> None:
    people = {
        name: create_person(actor=ACTOR, email=f"{name}@acme.example", password=PASSWORD)
        for name in ("olga", "dan", "eve")
    }
    for name, part in (("olga", Membership.Part.OWNER), ("dan", Membership.Part.DEVELOPER)):
        set_membership(actor=ACTOR, user_id=people[name].pk, team_id=company.team.pk, part=part)
    shared = company.issue_key("shared").key
    own = company.issue_key("dan's", user_id=people["dan"].pk).key
    found("Other").issue_key("foreign")

    def seen(name: str) -> list[str]:
        return [key.name for key in queries.visible_keys(access=access_of(user=people[name]))]

    assert seen("olga") == [own.name, shared.name]
    assert seen("dan") == [own.name]
    assert seen("eve") == []


def test_listing_keys_takes_the_same_few_queries_for_any_number(
    company: Company, django_assert_num_queries: "pytest.FixtureRequest"
) -> None:
    for number in range(5):
        company.issue_key(f"key {number}")
    with django_assert_num_queries(2):  # type: ignore[operator]  # pytest-django's context manager
        prefixes = {queries.prefix(key=key) for key in queries.keys_of(organisation_id=company.organisation.pk)}
    assert len(prefixes) == 5
