"""Errors of identity.

BadRequest
└── InvitationRefused
Conflict
├── InvitationOver
└── PersonElsewhere
NotFound
└── InvitationNotFound
"""

from governance.core.errors import BadRequest, Conflict, NotFound


class InvitationRefused(BadRequest):
    """Nobody can be invited like this: the address is none, they are there already, or a team is not the company's."""


class InvitationOver(Conflict):
    """The invitation was accepted, withdrawn, replaced by a newer one, or its time is over."""


class PersonElsewhere(Conflict):
    """The person belongs to another organisation too, which one administrator cannot decide for."""


class InvitationNotFound(NotFound):
    """There is no such invitation, or the link is not one of ours."""
