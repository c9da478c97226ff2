"""Errors of provider connections.

NotFound
└── ConnectionNotFound
Conflict
└── ConnectionNameTaken
BadRequest
├── ProviderUnknown       no installed plugin offers it
└── ConnectionRefused     the settings cannot work
BursarError
├── SealBroken            a sealed credential cannot be opened: wrong key, or the row was tampered with
└── TokenRefused          a credential could not be exchanged for a token
"""

from governance.core.errors import BadRequest, BursarError, Conflict, NotFound


class ConnectionNotFound(NotFound):
    """No provider connection of that name or id."""


class ConnectionNameTaken(Conflict):
    """The organisation has a connection of that name."""


class ProviderUnknown(BadRequest):
    """No installed plugin offers the provider."""


class ConnectionRefused(BadRequest):
    """The provider or Bursar refuses the settings."""


class TokenRefused(BursarError):
    """The token endpoint gave none, or the credential is not what it takes."""

    code = "token_refused"


class SealBroken(BursarError):
    """The credential cannot be opened with the sealing keys at hand."""

    code = "seal_broken"
