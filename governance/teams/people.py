"""Writing people: accounts for logging in, memberships of teams, roles in the organisation."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.teams import queries
from governance.teams.errors import LastAdministrator, NameRefused, NameTaken
from governance.teams.models import Membership, OrganisationRole, User
from governance.teams.taken import refusing_taken

Part = Membership.Part
Role = OrganisationRole.Role


@transaction.atomic
def create_person(*, actor: Actor, email: str, password: str | None) -> User:
    """Make somebody who can log in; without a password an identity provider lets them in.

    Raises NameRefused (address or password) and NameTaken.
    """
    address = email.strip().lower()
    try:
        validate_email(address)
        if password is not None:
            validate_password(password, User(username=address, email=address))
    except ValidationError as error:
        raise NameRefused(" ".join(str(message) for message in error.messages)) from error
    with refusing_taken(NameTaken(f"Somebody with the address {address} is there already.")):
        person = User.objects.create_user(username=address, email=address, password=password)
    audit.record(actor=actor, action="person.created", subject=f"person:{person.id}", after={"email": address})
    return person


@transaction.atomic
def change_activity(*, actor: Actor, user_id: int, is_active: bool, reason: str = "") -> User:
    """Let somebody in, or keep them out: effective with their next request. Raises LastAdministrator."""
    person = queries.person(user_id=user_id, is_locked=True)
    if person.is_active == is_active:
        return person
    if not is_active:
        for role in person.organisation_roles.filter(role=Role.ADMIN):
            _refuse_without_administrator(role)
    person.is_active = is_active
    person.save(update_fields=["is_active"])
    audit.record(
        actor=actor,
        action="person.activated" if is_active else "person.deactivated",
        subject=f"person:{person.id}",
        before={"is_active": not is_active},
        after={"is_active": is_active},
        reason=reason,
    )
    return person


@transaction.atomic
def set_membership(*, actor: Actor, user_id: int, team_id: int, part: Part) -> Membership:
    """Put somebody into a team, or change their part in it. Raises PersonNotFound, TeamNotFound."""
    person, team = queries.person(user_id=user_id), queries.team(team_id=team_id)
    held = Membership.objects.select_for_update(no_key=True).filter(user=person, team=team).first()
    before: dict[str, object] | None = {"part": held.part} if held is not None else None
    if held is not None and held.part == part:
        return held
    membership = held or Membership(user=person, team=team)
    membership.part = part
    membership.save()
    audit.record(
        actor=actor,
        action="membership.set",
        subject=f"team:{team.id}",
        before=before,
        after={"user_id": person.id, "email": person.email, "part": str(part)},
    )
    return membership


@transaction.atomic
def remove_membership(*, actor: Actor, user_id: int, team_id: int) -> None:
    """Take somebody out of a team; nothing happens when they are not in it."""
    held = Membership.objects.select_for_update(no_key=True).filter(user_id=user_id, team_id=team_id).first()
    if held is None:
        return
    before: dict[str, object] = {"user_id": user_id, "part": held.part}
    held.delete()
    audit.record(actor=actor, action="membership.removed", subject=f"team:{team_id}", before=before)


@transaction.atomic
def give_role(*, actor: Actor, user_id: int, organisation_id: int, role: Role) -> OrganisationRole:
    """Give somebody a role in the whole organisation; nothing changes when they have it."""
    person = queries.person(user_id=user_id)
    organisation = queries.organisation(organisation_id=organisation_id)
    given, is_new = OrganisationRole.objects.get_or_create(user=person, organisation=organisation, role=role)
    if is_new:
        audit.record(
            actor=actor,
            action="role.given",
            subject=f"organisation:{organisation.id}",
            after={"user_id": person.id, "email": person.email, "role": str(role)},
        )
    return given


@transaction.atomic
def take_role(*, actor: Actor, user_id: int, organisation_id: int, role: Role) -> None:
    """Take a role away; nothing happens when they do not have it. Raises LastAdministrator."""
    held = OrganisationRole.objects.filter(user_id=user_id, organisation_id=organisation_id, role=role).first()
    if held is None:
        return
    if role == Role.ADMIN:
        _refuse_without_administrator(held)
    held.delete()
    audit.record(
        actor=actor,
        action="role.taken",
        subject=f"organisation:{organisation_id}",
        before={"user_id": user_id, "role": str(role)},
    )


def _refuse_without_administrator(role: OrganisationRole) -> None:
    # Locked in ascending order, so that two administrators cannot remove each other at the same time.
    administrators = list(
        OrganisationRole.objects.select_for_update(of=("self",), no_key=True)
        .filter(organisation_id=role.organisation_id, role=Role.ADMIN, user__is_active=True)
        .order_by("id")
    )
    if not [other for other in administrators if other.user_id != role.user_id]:
        raise LastAdministrator(
            "This is the last administrator of the organisation: give somebody else the role admin first."
        )
