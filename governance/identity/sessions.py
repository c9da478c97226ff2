"""The sessions in which people are logged in: listing and ending them."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import connection, transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.teams import queries as teams


def sessions_of(*, user_id: int) -> list[UserSession]:
    """Return the person's sessions that still stand, newest first."""
    person = teams.person(user_id=user_id)
    return sorted(UserSession.objects.purge_and_list(person), key=lambda session: session.created_at, reverse=True)


@transaction.atomic
def end_sessions(*, actor: Actor, user_id: int, reason: str = "") -> int:
    """Log somebody out everywhere, with their next request, and return how many sessions that were."""
    person = teams.person(user_id=user_id)
    ended = drop_sessions(user_id=person.pk)
    audit.record(
        actor=actor,
        action="person.sessions_ended",
        subject=f"person:{person.pk}",
        after={"count": ended},
        reason=reason,
    )
    return ended


def drop_sessions(*, user_id: int) -> int:
    """Remove every session of a person, within the transaction of what is the reason for it."""
    sessions = list(UserSession.objects.filter(user_id=user_id))
    for session in sessions:
        session.end()
    return len(sessions)


def has_second_factor(*, user_id: int) -> bool:
    """Return whether the person has an authenticator app or a passkey. Recovery codes alone are none."""
    factors = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
    return bool(Authenticator.objects.filter(user_id=user_id, type__in=factors).exists())


def forget_sessions() -> int:
    """Forget the sessions that are over; return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT identity_forget_sessions()")
        return int(cursor.fetchone()[0])


def drop_second_factors(*, actor: Actor, user_id: int, reason: str) -> None:
    """Remove somebody's second factors and log them out, within the transaction of what is the reason for it."""
    person = teams.person(user_id=user_id, is_locked=True)
    removed = sorted(Authenticator.objects.filter(user=person).values_list("type", flat=True))
    Authenticator.objects.filter(user=person).delete()
    drop_sessions(user_id=person.pk)
    audit.record(
        actor=actor,
        action="person.second_factor_removed",
        subject=f"person:{person.pk}",
        before={"types": removed},
        reason=reason,
    )


def note_address(*, user_id: int, email: str) -> None:
    """Keep that the address is the person's, proved by the letter that reached them."""
    EmailAddress.objects.update_or_create(user_id=user_id, email=email, defaults={"primary": True, "verified": True})
