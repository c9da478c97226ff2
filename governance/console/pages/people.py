"""What the pages of people show."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession

from governance.identity.invitations import open_invitations
from governance.identity.models import Invitation
from governance.identity.queries import people_of
from governance.identity.sessions import sessions_of
from governance.keys.models import VirtualKey
from governance.teams.models import BusinessUnit, Membership, User
from governance.viewing.viewer import Viewer

PAGE_SIZE = 100
_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


@dataclass(frozen=True, kw_only=True)
class PersonLine:
    """Somebody, with their roles and teams in the organisation."""

    person: User
    roles: list[str]
    units: list[BusinessUnit]
    memberships: list[Membership]
    has_second_factor: bool


@dataclass(frozen=True, kw_only=True)
class PeoplePage:
    """One page of people. `next_after` is empty on the last one."""

    lines: list[PersonLine]
    next_after: str
    is_first: bool


@dataclass(frozen=True, kw_only=True)
class PersonPage:
    """One person, where they are logged in, and how many of their own keys work."""

    line: PersonLine
    sessions: list[UserSession]
    key_count: int
    links: list[SocialAccount]


@dataclass(frozen=True, kw_only=True)
class InvitationLine:
    """An invitation that waits."""

    invitation: Invitation
    is_expired: bool


def people_page(*, viewer: Viewer, search: str, after: str) -> PeoplePage:
    """Return people of the organisation by address: those whose address holds the search text, after this address."""
    found = people_of(organisation_id=viewer.organisation.pk)
    if search:
        found = found.filter(email__icontains=search)
    if after:
        found = found.filter(email__gt=after)
    shown = list(found[: PAGE_SIZE + 1])
    lines = _lines(viewer, shown[:PAGE_SIZE])
    next_after = lines[-1].person.email if len(shown) > PAGE_SIZE else ""
    return PeoplePage(lines=lines, next_after=next_after, is_first=not after)


def person_page(*, viewer: Viewer, user_id: int) -> PersonPage | None:
    """Return one of them, or None."""
    lines = _lines(viewer, list(people_of(organisation_id=viewer.organisation.pk).filter(pk=user_id)))
    if not lines:
        return None
    keys = VirtualKey.objects.filter(user_id=user_id, organisation=viewer.organisation, revoked_at=None)
    return PersonPage(
        line=lines[0],
        sessions=sessions_of(user_id=user_id),
        key_count=keys.count(),
        links=list(SocialAccount.objects.filter(user_id=user_id).order_by("provider")),
    )


def invitation_lines(*, viewer: Viewer, now: datetime) -> list[InvitationLine]:
    """Return the invitations that wait for an answer."""
    return [
        InvitationLine(invitation=invitation, is_expired=invitation.expires_at <= now)
        for invitation in open_invitations(organisation_id=viewer.organisation.pk)
    ]


def _lines(viewer: Viewer, people: Collection[User]) -> list[PersonLine]:
    here = viewer.organisation.pk
    safe = set(Authenticator.objects.filter(user__in=people, type__in=_FACTORS).values_list("user_id", flat=True))
    return [
        PersonLine(
            person=person,
            roles=sorted(given.role for given in person.organisation_roles.all() if given.organisation_id == here),
            units=[each.unit for each in person.owned_units.all() if each.unit.organisation_id == here],
            memberships=[each for each in person.memberships.all() if each.team.organisation_id == here],
            has_second_factor=person.pk in safe,
        )
        for person in people
    ]
