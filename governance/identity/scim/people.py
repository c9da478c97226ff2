"""People as a directory makes, changes and removes them."""

from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q, QuerySet
from scim2_models import InvalidValueException, NotFoundException, ScimFilter, UniquenessException

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.identity.group_rules import apply_groups
from governance.identity.models import ScimGroup, ScimPerson
from governance.identity.people import deactivate, reactivate, set_rights
from governance.identity.queries import people_of
from governance.identity.scim.resources import Person, person_document, person_resource
from governance.identity.scim.searching import Page, cut, narrowed_people
from governance.identity.sessions import note_address
from governance.teams import people
from governance.teams import queries as teams
from governance.teams.models import Organisation, User


def served_people(*, organisation: Organisation) -> QuerySet[User]:
    """Return who is served to the organisation's directory: its people, less those it removed."""
    provisioned = ScimPerson.objects.filter(organisation=organisation, removed_at=None).values("user_id")
    removed = ScimPerson.objects.filter(organisation=organisation).exclude(removed_at=None).values("user_id")
    known = people_of(organisation_id=organisation.pk).exclude(pk__in=removed).values("pk")
    return User.objects.filter(Q(pk__in=known) | Q(pk__in=provisioned)).order_by("pk")


def resources_of(users: list[User], *, organisation: Organisation) -> list[Person]:
    """Return people as they are served, in a few queries however many they are."""
    rows = {row.user_id: row for row in ScimPerson.objects.filter(organisation=organisation, user__in=users)}
    groups: dict[int, list[ScimGroup]] = {}
    for group in ScimGroup.objects.filter(organisation=organisation, members__in=users).distinct():
        for user_id in group.members.filter(pk__in=[user.pk for user in users]).values_list("pk", flat=True):
            groups.setdefault(user_id, []).append(group)
    return [person_resource(user, rows.get(user.pk), groups.get(user.pk, [])) for user in users]


def search_people(
    *, organisation: Organisation, wanted: ScimFilter[Any] | None, page: Page
) -> tuple[int, list[Person]]:
    """Return how many people a filter finds, and one page of them."""
    every = served_people(organisation=organisation)
    narrowed = narrowed_people(every, wanted, organisation=organisation) if wanted is not None else None

    def make(users: list[User]) -> list[Person]:
        return resources_of(users, organisation=organisation)

    return cut(every, narrowed=narrowed, make=make, wanted=wanted, page=page)


def find_person(*, organisation: Organisation, user_id: str) -> User:
    """Return one of them. Raises NotFoundException."""
    found = None
    if user_id.isascii() and user_id.isdigit() and len(user_id) <= 18:  # what a bigint holds
        found = served_people(organisation=organisation).filter(pk=int(user_id)).first()
    if found is None:
        raise NotFoundException(detail=f"There is no user {user_id}.")
    return found


def make_person(*, actor: Actor, at: datetime, organisation: Organisation, wish: Person) -> User:
    """Make somebody, or take back somebody who was removed. Raises UniquenessException, InvalidValueException."""
    email = _address_of(wish)
    user = User.objects.select_for_update(no_key=True).filter(email=email).first()
    if user is None:
        user = people.create_person(actor=actor, email=email, password=None)
        note_address(user_id=user.pk, email=email)
    elif not _was_removed(user, organisation):
        raise UniquenessException(detail=f"There is a user {wish.user_name} already.")
    else:
        reactivate(actor=actor, organisation_id=organisation.pk, user_id=user.pk)
    _keep(actor=actor, at=at, organisation=organisation, user=user, wish=wish)
    return User.objects.get(pk=user.pk)


def change_person(*, actor: Actor, at: datetime, organisation: Organisation, user: User, wish: Person) -> User:
    """Make somebody what the directory says. Raises UniquenessException, PersonElsewhere, LastAdministrator."""
    email = _address_of(wish)
    if email != user.email and wish.user_name != _user_name(user, organisation):
        _move(actor=actor, organisation=organisation, user=user, email=email)
    _keep(actor=actor, at=at, organisation=organisation, user=user, wish=wish)
    return User.objects.get(pk=user.pk)


def remove_person(*, actor: Actor, at: datetime, organisation: Organisation, user: User) -> None:
    """Keep somebody out, and take all they have here. What they spent stays theirs on the books.

    Raises LastAdministrator, PersonElsewhere.
    """
    here = organisation.pk
    deactivate(actor=actor, at=at, organisation_id=here, user_id=user.pk, reason="removed by the directory")
    set_rights(actor=actor, organisation_id=here, user_id=user.pk, roles=frozenset(), parts={})
    for group in user.scim_groups.filter(organisation=organisation):
        group.members.remove(user)
    row, _ = ScimPerson.objects.get_or_create(organisation=organisation, user=user, defaults={"user_name": user.email})
    row.removed_at = at
    row.document = {}
    row.save()


def _keep(*, actor: Actor, at: datetime, organisation: Organisation, user: User, wish: Person) -> None:
    taken = ScimPerson.objects.filter(
        organisation=organisation, user_name__iexact=wish.user_name or "", removed_at=None
    ).exclude(user=user)
    if taken.exists():
        raise UniquenessException(detail=f"There is a user {wish.user_name} already.")
    ScimPerson.objects.update_or_create(
        organisation=organisation,
        user=user,
        defaults={
            "user_name": wish.user_name or "",
            "external_id": wish.external_id or "",
            "document": person_document(wish),
            "changed_at": at,
            "removed_at": None,
        },
    )
    if wish.active is False:
        deactivate(actor=actor, at=at, organisation_id=organisation.pk, user_id=user.pk, reason="by the directory")
    elif wish.active is True and not user.is_active:
        reactivate(actor=actor, organisation_id=organisation.pk, user_id=user.pk, reason="by the directory")
    apply_groups(actor=actor, user_id=user.pk, organisation_id=organisation.pk)


def _move(*, actor: Actor, organisation: Organisation, user: User, email: str) -> None:
    """Give somebody another address: only whom no other organisation has, and none that is somebody else's."""
    if teams.homes_of(user_id=user.pk) - {organisation.pk} or User.objects.filter(email=email).exists():
        raise UniquenessException(detail=f"{email} cannot be the address of this user.")
    former = user.email
    User.objects.filter(pk=user.pk).update(email=email, username=email)
    EmailAddress.objects.filter(user=user).delete()
    note_address(user_id=user.pk, email=email)
    audit.record(
        actor=actor,
        action="person.address_changed",
        subject=f"person:{user.pk}",
        before={"email": former},
        after={"email": email},
    )


def _was_removed(user: User, organisation: Organisation) -> bool:
    row = ScimPerson.objects.filter(user=user, organisation=organisation).first()
    return row is not None and row.removed_at is not None and not teams.homes_of(user_id=user.pk)


def _user_name(user: User, organisation: Organisation) -> str:
    row = ScimPerson.objects.filter(user=user, organisation=organisation).first()
    return row.user_name if row is not None else user.email


def _address_of(wish: Person) -> str:
    """Return what somebody logs in with: their user name where it is an address, else their first one."""
    emails = sorted(wish.emails or [], key=lambda email: not email.primary)
    for text in (wish.user_name, *(email.value for email in emails)):
        email = (text or "").strip().lower()
        try:
            validate_email(email)
        except ValidationError:
            continue
        return email
    raise InvalidValueException(detail="A user needs an e-mail address: in userName, or in emails.")
