"""Who comes in through an identity provider. People are known by (provider, subject), never by a name or an address.

An address joins somebody to an account that is there only when the provider vouches for its domain, says that it is
verified, and the account belongs to the provider's organisation and to no other subject of it.
"""

import msgspec
from allauth.socialaccount.models import SocialAccount
from django.db import transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.identity.errors import ArrivalRefused
from governance.identity.group_rules import note_groups
from governance.identity.models import IdentityProvider, ScimPerson
from governance.identity.sessions import note_address
from governance.teams import people
from governance.teams import queries as teams
from governance.teams.models import User

_MAX_SUBJECT_CHARACTERS = 191


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What an identity provider says of somebody. `groups` is None where it says nothing of groups."""

    subject: str
    email: str
    is_email_verified: bool
    groups: list[str] | None


@transaction.atomic
def admit(*, provider: IdentityProvider, arrival: Arrival, origin: str) -> SocialAccount:
    """Return the link of whoever this is, made on the first arrival. Raises ArrivalRefused."""
    if not arrival.subject or len(arrival.subject) > _MAX_SUBJECT_CHARACTERS:
        raise ArrivalRefused(
            f"{provider.name} does not say who you are in a way that can be kept. Tell whoever runs it."
        )
    if not provider.is_enabled:
        raise ArrivalRefused(f"Nobody logs in through {provider.name} any more: ask an administrator for another way.")
    link = SocialAccount.objects.filter(provider=provider.slug, uid=arrival.subject).select_related("user").first()
    if link is None:
        link = _link(provider, arrival, origin=origin)
    person = link.user
    if not person.is_active:
        raise ArrivalRefused("Your account was deactivated: ask an administrator of Bursar.")
    if teams.homes_of(user_id=person.pk) - {provider.organisation_id}:
        raise ArrivalRefused(
            f"{provider.name} speaks for one organisation, and you belong to another too: log in with your password."
        )
    if arrival.groups is not None:
        note_groups(actor=_actor(person, origin), user_id=person.pk, provider=provider, names=arrival.groups)
    return link


@transaction.atomic
def unlink(*, actor: Actor, organisation_id: int, user_id: int, reason: str = "") -> int:
    """Forget by which subjects of the organisation's identity providers somebody is known; return how many."""
    slugs = IdentityProvider.objects.filter(organisation_id=organisation_id).values_list("slug", flat=True)
    links = SocialAccount.objects.filter(user_id=user_id, provider__in=list(slugs))
    before = [{"provider": link.provider, "subject": link.uid} for link in links]
    links.delete()
    if before:
        audit.record(
            actor=actor,
            action="person.unlinked",
            subject=f"person:{user_id}",
            before={"links": before},
            reason=reason,
        )
    return len(before)


def _link(provider: IdentityProvider, arrival: Arrival, *, origin: str) -> SocialAccount:
    email = arrival.email.strip().lower()
    if not email:
        raise ArrivalRefused(
            f"{provider.name} does not say your address: whoever runs it lets it send the e-mail claim."
        )
    person = User.objects.select_for_update(no_key=True).filter(email=email).first()
    if person is None:
        person = _make(provider, arrival, email, origin=origin)
    else:
        _ensure_theirs(provider, arrival, person)
    link = SocialAccount.objects.create(user=person, provider=provider.slug, uid=arrival.subject)
    audit.record(
        actor=_actor(person, origin),
        action="person.linked",
        subject=f"person:{person.pk}",
        after={"provider": provider.slug, "subject": arrival.subject},
    )
    return link


def _make(provider: IdentityProvider, arrival: Arrival, email: str, *, origin: str) -> User:
    is_proved = arrival.is_email_verified or provider.are_addresses_trusted
    if not provider.is_open_to_new_people:
        raise ArrivalRefused(f"There is no account for {email}: ask an administrator of Bursar to invite you.")
    if not is_proved or (provider.domains and not _is_vouched_for(provider, email)):
        raise ArrivalRefused(
            f"{provider.name} does not vouch for {email}: ask an administrator of Bursar to invite you."
        )
    person = people.create_person(actor=Actor(name=email, origin=origin), email=email, password=None)
    note_address(user_id=person.pk, email=email)
    return person


def _ensure_theirs(provider: IdentityProvider, arrival: Arrival, person: User) -> None:
    is_proved = arrival.is_email_verified or provider.are_addresses_trusted
    elsewhere = ScimPerson.objects.filter(user=person, removed_at=None).exclude(organisation=provider.organisation)
    is_here = teams.homes_of(user_id=person.pk) <= {provider.organisation_id} and not elsewhere.exists()
    is_known = SocialAccount.objects.filter(user=person, provider=provider.slug).exists()
    if not is_proved or not _is_vouched_for(provider, person.email) or not is_here or is_known:
        raise ArrivalRefused(
            f"There is an account for {person.email} which is not known to be yours: log in as you did before, or ask "
            "an administrator of Bursar."
        )


def _is_vouched_for(provider: IdentityProvider, email: str) -> bool:
    return email.rpartition("@")[2] in provider.domains


def _actor(person: User, origin: str) -> Actor:
    return Actor(name=person.email, origin=origin)
