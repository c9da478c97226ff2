"""The bearer tokens of directories: `bscim_<id>_<secret>`, shown once, kept as an HMAC."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from governance.audit import operations as audit
from governance.audit.operations import Actor
from governance.identity.errors import ScimTokenNotFound
from governance.identity.models import ScimToken
from governance.teams import queries as teams
from governance.teams.names import clean_name

_TEXT = re.compile(r"bscim_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_PUBLIC_CHARACTERS = 12
_SECRET_BYTES = 32
_USE_IS_NOTED_EVERY = timedelta(minutes=1)


class IssuedToken(msgspec.Struct, frozen=True):
    """A token and its text, which exists in this answer only."""

    token: ScimToken
    text: str

    def __repr__(self) -> str:
        return f"IssuedToken({self.token.public_id!r})"


@transaction.atomic
def issue_token(*, actor: Actor, organisation_id: int, name: str, pepper: bytes) -> IssuedToken:
    """Make a token for a directory of the organisation. Raises NameRefused."""
    organisation = teams.organisation(organisation_id=organisation_id)
    public_id = "".join(secrets.choice(_ALPHABET) for _ in range(_PUBLIC_CHARACTERS))
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    token = ScimToken.objects.create(
        organisation=organisation,
        name=clean_name(name, what="token's name"),
        public_id=public_id,
        digest=_digest(secret, pepper=pepper),
    )
    audit.record(
        actor=actor,
        action="scim_token.issued",
        subject=f"scim_token:{token.pk}",
        after={"name": token.name, "public_id": public_id},
    )
    return IssuedToken(token, f"bscim_{public_id}_{secret}")


@transaction.atomic
def revoke_token(*, actor: Actor, at: datetime, organisation_id: int, token_id: int) -> ScimToken:
    """Stop a token for good, from the next request on. Raises ScimTokenNotFound."""
    token = (
        ScimToken.objects.select_for_update(no_key=True).filter(pk=token_id, organisation_id=organisation_id).first()
    )
    if token is None:
        raise ScimTokenNotFound(f"There is no token with the id {token_id}.")
    if token.revoked_at is None:
        token.revoked_at = at
        token.save(update_fields=["revoked_at"])
        audit.record(
            actor=actor, action="scim_token.revoked", subject=f"scim_token:{token.pk}", before={"name": token.name}
        )
    return token


def tokens_of(*, organisation_id: int) -> QuerySet[ScimToken]:
    """Return the tokens that work, newest first."""
    return ScimToken.objects.filter(organisation_id=organisation_id, revoked_at=None)


def token_of(*, header: str, at: datetime, pepper: bytes) -> ScimToken | None:
    """Return the working token of an Authorization header, or None; its use is noted now and then."""
    scheme, _, text = header.partition(" ")
    found = _TEXT.fullmatch(text.strip())
    if scheme.lower() != "bearer" or found is None:
        return None
    token = ScimToken.objects.filter(public_id=found[1], revoked_at=None).select_related("organisation").first()
    if token is None or not hmac.compare_digest(bytes(token.digest), _digest(found[2], pepper=pepper)):
        return None
    if token.last_used_at is None or at - token.last_used_at > _USE_IS_NOTED_EVERY:
        ScimToken.objects.filter(pk=token.pk).update(last_used_at=at)
    return token


def _digest(secret: str, *, pepper: bytes) -> bytes:
    return hmac.digest(pepper, b"bursar.scim:" + secret.encode(), hashlib.sha256)
