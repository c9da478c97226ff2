"""Errors of tenancy.

BadRequest
└── NameRefused, ZoneUnknown, TenancyRefused
Conflict
└── NameTaken, LastAdministrator
NotFound
└── OrganisationNotFound, UnitNotFound, CostCentreNotFound, TeamNotFound, PersonNotFound
"""

from governance.core.errors import BadRequest, Conflict, NotFound


class NameRefused(BadRequest):
    """A name is empty, too long, or holds characters that do not belong into one."""


class ZoneUnknown(BadRequest):
    """The text is no IANA time zone."""


class TenancyRefused(BadRequest):
    """Two things that were named together belong to different organisations, or one is archived."""


class NameTaken(Conflict):
    """Something of that kind has the name already."""


class LastAdministrator(Conflict):
    """The change would leave an organisation without anybody who may administer it."""


class OrganisationNotFound(NotFound):
    """No organisation of that name or id."""


class UnitNotFound(NotFound):
    """No business unit of that name or id."""


class CostCentreNotFound(NotFound):
    """No cost centre of that code or id."""


class TeamNotFound(NotFound):
    """No team of that name or id."""


class PersonNotFound(NotFound):
    """Nobody with that e-mail address or id."""
