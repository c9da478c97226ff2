"""Errors of identity.

BadRequest
├── InvitationRefused
├── ProviderRefused
└── GroupRuleRefused
Forbidden
└── ArrivalRefused
Conflict
├── InvitationOver
├── PersonElsewhere
└── ProviderTaken
NotFound
├── InvitationNotFound
├── ProviderNotFound
└── ScimTokenNotFound
"""

from governance.core.errors import BadRequest, Conflict, Forbidden, NotFound


class InvitationRefused(BadRequest):
    """Nobody can be invited like this: the address is none, they are there already, or a team is not the company's."""


class ProviderRefused(BadRequest):
    """An identity provider cannot be as it was described."""


class GroupRuleRefused(BadRequest):
    """A group cannot give this."""


class ArrivalRefused(Forbidden):
    """An identity provider says who somebody is, and they are not let in all the same."""


class InvitationOver(Conflict):
    """The invitation was accepted, withdrawn, replaced by a newer one, or its time is over."""


class PersonElsewhere(Conflict):
    """The person belongs to another organisation too, which one administrator cannot decide for."""


class ProviderTaken(Conflict):
    """There is an identity provider of that name or slug already."""


class InvitationNotFound(NotFound):
    """There is no such invitation, or the link is not one of ours."""


class ProviderNotFound(NotFound):
    """There is no such identity provider."""


class ScimTokenNotFound(NotFound):
    """There is no such token of a directory."""
