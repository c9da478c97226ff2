"""Errors of tokens.

AuthenticationFailed
└── TokenInvalid      missing, mistyped, unknown, revoked or expired
Forbidden
└── ScopeMissing      the token is not for this
NotFound
└── TokenNotFound
BadRequest
└── TokenRefused      what was asked of a new token contradicts itself
"""

from governance.core.errors import AuthenticationFailed, BadRequest, Forbidden, NotFound


class TokenInvalid(AuthenticationFailed):
    """No token that works. The message never holds the text."""

    code = "token_invalid"


class ScopeMissing(Forbidden):
    """The token works, and is not for this."""

    code = "scope_missing"


class TokenNotFound(NotFound):
    """No token of that id."""


class TokenRefused(BadRequest):
    """The token cannot be made as asked."""
