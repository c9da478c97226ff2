"""What the pages of tokens show: never a text, except the one just made."""

from dataclasses import dataclass
from datetime import datetime

from governance.tokens import queries
from governance.tokens.models import Token
from governance.tokens.queries import TokenState
from governance.viewing.viewer import Viewer


@dataclass(frozen=True, kw_only=True)
class TokenLine:
    """One token as it is listed."""

    token: Token
    prefix: str
    state: TokenState
    last_used_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Whether calls with it are accepted."""
        return self.state is TokenState.ACTIVE


def token_lines(*, viewer: Viewer, now: datetime) -> list[TokenLine]:
    """Return the tokens that the viewer sees: working ones first, then the newest."""
    tokens = queries.visible_tokens(access=viewer.access, organisation_id=viewer.organisation.pk)
    return sorted((_line(token, now) for token in tokens), key=lambda line: not line.is_active)


def token_line(*, viewer: Viewer, token_id: int, now: datetime) -> TokenLine | None:
    """Return one token that the viewer sees, or None."""
    tokens = queries.visible_tokens(access=viewer.access, organisation_id=viewer.organisation.pk)
    token = tokens.filter(pk=token_id).first()
    return _line(token, now) if token is not None else None


def _line(token: Token, now: datetime) -> TokenLine:
    use = getattr(token, "use", None)
    return TokenLine(
        token=token,
        prefix=queries.prefix(token=token),
        state=queries.state(token=token, at=now),
        last_used_at=use.last_used_at if use is not None else None,
    )
