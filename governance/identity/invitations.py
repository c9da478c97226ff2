"""Inviting people: a letter with a link, accepted once, by which somebody comes in with what was chosen for them."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.identity.errors import InvitationNotFound, InvitationOver, InvitationRefused
from governance.identity.links import read_token
from governance.identity.models import Invitation, InvitedMembership
from governance.identity.sessions import note_address
from governance.teams import people
from governance.teams import queries as teams
from governance.teams.models import Organisation, Team, User

LASTS = timedelta(days=7)
_NONCE_BYTES = 18


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to invite, and what they may do then. `parts` maps teams to the part in them."""

    organisation_id: int
    email: str
    roles: frozenset[people.Role] = frozenset()
    parts: Mapping[int, people.Part] = {}


@transaction.atomic
def invite(*, actor: Actor, at: datetime, wish: Wish) -> Invitation:
    """Invite somebody; an earlier open invitation of the address is withdrawn. Raises InvitationRefused."""
    organisation = teams.organisation(organisation_id=wish.organisation_id)
    email = _clean_address(wish.email)
    chosen = _chosen_teams(organisation, wish.parts)
    if not wish.roles and not chosen:
        raise InvitationRefused("An invitation gives a role or a team: choose at least one, or they would see nothing.")
    person = User.objects.filter(email=email).first()
    if person is not None and organisation.pk in teams.homes_of(user_id=person.pk):
        raise InvitationRefused(f"{email} is there already: change their roles and teams instead.")
    for open_one in open_invitations(organisation_id=organisation.pk).filter(email=email):
        withdraw(actor=actor, at=at, invitation_id=open_one.pk)
    invitation = Invitation.objects.create(
        organisation=organisation,
        email=email,
        roles=sorted(str(role) for role in wish.roles),
        nonce=secrets.token_urlsafe(_NONCE_BYTES),
        invited_by=actor.name,
        expires_at=at + LASTS,
    )
    InvitedMembership.objects.bulk_create(
        InvitedMembership(invitation=invitation, team=team, part=wish.parts[team.pk]) for team in chosen
    )
    audit.record(
        actor=actor,
        action="invitation.made",
        subject=f"invitation:{invitation.pk}",
        after={
            "email": email,
            "roles": invitation.roles,
            "teams": {team.name: str(wish.parts[team.pk]) for team in chosen},
            "expires_at": invitation.expires_at.isoformat(),
        },
    )
    return invitation


@transaction.atomic
def renew(*, actor: Actor, at: datetime, invitation_id: int) -> Invitation:
    """Make another link, which lasts anew; the former one stops working. Raises InvitationNotFound, InvitationOver."""
    invitation = _open(invitation_id)
    invitation.nonce = secrets.token_urlsafe(_NONCE_BYTES)
    invitation.expires_at = at + LASTS
    invitation.save(update_fields=["nonce", "expires_at"])
    audit.record(
        actor=actor,
        action="invitation.renewed",
        subject=f"invitation:{invitation.pk}",
        after={"email": invitation.email, "expires_at": invitation.expires_at.isoformat()},
    )
    return invitation


@transaction.atomic
def withdraw(*, actor: Actor, at: datetime, invitation_id: int) -> Invitation:
    """End an invitation: its link stops working. Raises InvitationNotFound, InvitationOver."""
    invitation = _open(invitation_id)
    invitation.withdrawn_at = at
    invitation.save(update_fields=["withdrawn_at"])
    audit.record(
        actor=actor,
        action="invitation.withdrawn",
        subject=f"invitation:{invitation.pk}",
        before={"email": invitation.email},
    )
    return invitation


def open_invitations(*, organisation_id: int) -> QuerySet[Invitation]:
    """Return the invitations that wait for an answer, expired ones included, newest first."""
    return Invitation.objects.filter(
        organisation_id=organisation_id, accepted_at=None, withdrawn_at=None
    ).prefetch_related("memberships__team")


def invitation_of(*, token: str, at: datetime, is_locked: bool = False) -> Invitation:
    """Return the invitation of a link that still works. Raises InvitationNotFound, InvitationOver."""
    invitation_id, nonce = read_token(token)
    rows = Invitation.objects.select_for_update(of=("self",), no_key=True) if is_locked else Invitation.objects.all()
    invitation = rows.select_related("organisation").filter(pk=invitation_id).first()
    if invitation is None:
        raise InvitationNotFound("There is no such invitation any more: ask for another one.")
    is_newest = secrets.compare_digest(invitation.nonce, nonce)
    if not is_newest or invitation.accepted_at or invitation.withdrawn_at or invitation.expires_at <= at:
        raise InvitationOver("This invitation was used, withdrawn or has expired: ask whoever invited you for another.")
    return invitation


@transaction.atomic
def accept(*, origin: str, at: datetime, token: str, password: str) -> User:
    """Make the account of somebody new, and let them in. Raises InvitationOver, NameRefused, NameTaken."""
    invitation = invitation_of(token=token, at=at, is_locked=True)
    actor = Actor(name=invitation.email, origin=origin)
    person = people.create_person(actor=actor, email=invitation.email, password=password)
    return _let_in(invitation, person, actor=actor, at=at)


@transaction.atomic
def accept_as(*, origin: str, at: datetime, token: str, user_id: int) -> User:
    """Let somebody in who has an account, and is logged in to it. Raises InvitationOver, InvitationRefused."""
    invitation = invitation_of(token=token, at=at, is_locked=True)
    person = teams.person(user_id=user_id)
    if person.email != invitation.email or not person.is_active:
        raise InvitationRefused(f"This invitation is for {invitation.email}: log in with that address to accept it.")
    return _let_in(invitation, person, actor=Actor(name=person.email, origin=origin), at=at)


def _let_in(invitation: Invitation, person: User, *, actor: Actor, at: datetime) -> User:
    for role in invitation.roles:
        people.give_role(
            actor=actor, user_id=person.pk, organisation_id=invitation.organisation_id, role=people.Role(role)
        )
    for membership in invitation.memberships.filter(team__archived_at=None):
        people.set_membership(
            actor=actor, user_id=person.pk, team_id=membership.team_id, part=people.Part(membership.part)
        )
    note_address(user_id=person.pk, email=person.email)
    invitation.accepted_at = at
    invitation.accepted_by = person
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    audit.record(
        actor=actor,
        action="invitation.accepted",
        subject=f"invitation:{invitation.pk}",
        after={"user_id": person.pk, "invited_by": invitation.invited_by},
    )
    return person


def _open(invitation_id: int) -> Invitation:
    found = Invitation.objects.select_for_update(no_key=True).filter(pk=invitation_id).first()
    if found is None:
        raise InvitationNotFound(f"There is no invitation with the id {invitation_id}.")
    if found.accepted_at is not None or found.withdrawn_at is not None:
        raise InvitationOver("This invitation is over already: it was accepted or withdrawn.")
    return found


def _clean_address(text: str) -> str:
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvitationRefused(f"{text!r} is no e-mail address: give one such as ada@example.com.") from error
    return email


def _chosen_teams(organisation: Organisation, parts: Mapping[int, people.Part]) -> list[Team]:
    found = [team for team in teams.teams_of(organisation_id=organisation.pk) if team.pk in parts]
    if len(found) != len(parts):
        raise InvitationRefused(f"A team of the invitation is archived, or not one of {organisation}: choose others.")
    return found
