"""Issuing, checking, counting and revoking tokens. A token's text exists only in what `issue` returns."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from django.db import connection, transaction

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.keys.secret import make_secret
from governance.teams import queries as teams
from governance.teams.names import clean_name
from governance.tokens import queries
from governance.tokens.errors import TokenInvalid, TokenRefused
from governance.tokens.models import Token
from governance.tokens.scopes import clean_scopes
from governance.tokens.text import parse_token, token_text

LONGEST_LIFE = timedelta(days=366)

# The first call of a minute begins a new count. The database's clock decides, for all console processes alike.
_COUNT = """
INSERT INTO tokens_tokenuse AS u (token_id, last_used_at, calls) VALUES (%(token_id)s, now(), 1)
ON CONFLICT (token_id) DO UPDATE
   SET calls = CASE WHEN date_trunc('minute', u.last_used_at) = date_trunc('minute', now())
                    THEN least(u.calls + 1, 2000000000) ELSE 1 END,
       last_used_at = now()
RETURNING calls, ceil(extract(epoch FROM date_trunc('minute', now()) + interval '1 minute' - now()))::int
"""


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token to be issued; without `user_id` a service's. Without `expires_at` it works until it is revoked."""

    organisation_id: int
    name: str
    scopes: Sequence[str]
    user_id: int | None = None
    expires_at: datetime | None = None


class IssuedToken(msgspec.Struct, frozen=True):
    """A token and its text, which is shown once and kept nowhere."""

    token: Token
    text: str

    def __repr__(self) -> str:
        return f"IssuedToken(token={self.token.pk})"


class Checked(msgspec.Struct, frozen=True):
    """A token that works, and the secret that its holder proved to have."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        return f"Checked(token={self.token.pk})"


@transaction.atomic
def issue(*, actor: Actor, at: datetime, pepper: bytes, new: NewToken) -> IssuedToken:
    """Make a token. Raises OrganisationNotFound, PersonNotFound, TokenRefused, NameRefused."""
    organisation = teams.organisation(organisation_id=new.organisation_id)
    user = teams.person(user_id=new.user_id) if new.user_id is not None else None
    if new.expires_at is not None and not at < new.expires_at <= at + LONGEST_LIFE:
        raise TokenRefused(f"A token expires in the future, within {LONGEST_LIFE.days} days, or not at all.")
    made = make_secret()
    token = Token.objects.create(
        organisation=organisation,
        user=user,
        name=clean_name(new.name, what="token's name"),
        scopes=clean_scopes(new.scopes),
        public_id=made.public_id,
        digest=made.digest(pepper=pepper),
        issued_by=actor.name,
        expires_at=new.expires_at,
    )
    audit.record(actor=actor, action="token.issued", subject=f"token:{token.pk}", after=_facts(token))
    return IssuedToken(token, token_text(made))


@transaction.atomic
def revoke(*, actor: Actor, at: datetime, token_id: int, reason: str = "") -> Token:
    """Stop the token for good. Revoking twice changes nothing. Raises TokenNotFound."""
    token = queries.token(token_id=token_id, is_locked=True)
    if token.revoked_at is not None:
        return token
    token.revoked_at = at
    token.save(update_fields=["revoked_at"])
    audit.record(
        actor=actor,
        action="token.revoked",
        subject=f"token:{token.pk}",
        after={"revoked_at": at.isoformat()},
        reason=reason,
    )
    return token


def check(*, text: str, pepper: bytes, at: datetime) -> Checked:
    """Return the token of this text if it works. Raises TokenInvalid, with the same words whatever does not fit."""
    given = parse_token(text)
    token = Token.objects.filter(public_id=given.public_id).select_related("organisation", "user").first()
    # Compared in any case, so that an unknown token takes as long as a wrong one.
    is_right = given.matches(bytes(token.digest) if token is not None else bytes(32), pepper=pepper)
    if token is None or not is_right or queries.state(token=token, at=at) is not queries.TokenState.ACTIVE:
        raise TokenInvalid("The token is unknown, revoked or expired: make a new one with `bursar token issue`.")
    return Checked(token, given.secret)


def count_call(*, token: Token, most_per_minute: int) -> int | None:
    """Count one call; return after how many seconds to come again when there were too many in this minute, or None."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"token_id": token.pk})
        calls, seconds_left = cursor.fetchone()
    return int(seconds_left) if calls > most_per_minute else None


def _facts(token: Token) -> dict[str, object]:
    return {
        "name": token.name,
        "prefix": queries.prefix(token=token),
        "user_id": token.user_id,
        "scopes": list(token.scopes),
        "expires_at": token.expires_at.astimezone(UTC).isoformat() if token.expires_at is not None else None,
    }
