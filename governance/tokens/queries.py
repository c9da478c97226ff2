"""Reading tokens: never their secrets."""

from datetime import datetime
from enum import StrEnum

from django.db.models import Q, QuerySet

from governance.teams.access import Access
from governance.tokens.errors import TokenNotFound
from governance.tokens.models import Token
from governance.tokens.text import PREFIX


class TokenState(StrEnum):
    """Whether a token works."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


def token(*, token_id: int, is_locked: bool = False) -> Token:
    """Return the token, locked for a change if asked. Raises TokenNotFound."""
    tokens = Token.objects.select_for_update(no_key=True) if is_locked else Token.objects
    found = tokens.filter(id=token_id).first()
    if found is None:
        raise TokenNotFound(f"There is no token with the id {token_id}: `bursar token list` shows them.")
    return found


def tokens_of(*, organisation_id: int) -> QuerySet[Token]:
    """Return the organisation's tokens, newest first, with whose they are and when they were used."""
    return Token.objects.filter(organisation_id=organisation_id).select_related("user", "use").defer("digest")


def visible_tokens(*, access: Access, organisation_id: int) -> QuerySet[Token]:
    """Return the organisation's tokens that this person may see. The rule is `Access.may_manage_token`."""
    tokens = tokens_of(organisation_id=organisation_id)
    if access.may_administer(organisation_id):
        return tokens
    return tokens.filter(Q(user_id=access.user_id, user_id__isnull=False))


def state(*, token: Token, at: datetime) -> TokenState:
    """Return whether the token works at that instant."""
    if token.revoked_at is not None and token.revoked_at <= at:
        return TokenState.REVOKED
    if token.expires_at is not None and token.expires_at <= at:
        return TokenState.EXPIRED
    return TokenState.ACTIVE


def prefix(*, token: Token) -> str:
    """Return the visible beginning of the token's text."""
    return f"{PREFIX}_{token.public_id}"
