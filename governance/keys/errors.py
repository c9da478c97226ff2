"""Errors of virtual keys.

AuthenticationFailed
└── KeyTextInvalid    the text cannot be a key: a typo, or cut off
NotFound
└── KeyNotFound
Conflict
└── KeyRevoked        the change needs a key that works
BadRequest
└── KeyRefused        what was asked of a new key contradicts itself
"""

from governance.core.errors import AuthenticationFailed, BadRequest, Conflict, NotFound


class KeyTextInvalid(AuthenticationFailed):
    """The text is not a key that Bursar ever made. The message never holds the text."""


class KeyNotFound(NotFound):
    """No virtual key of that id."""


class KeyRevoked(Conflict):
    """The key is revoked or expired already."""


class KeyRefused(BadRequest):
    """The key cannot be made as asked."""
