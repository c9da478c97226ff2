"""Errors of the catalogue.

NotFound
└── ModelNotFound, DeploymentNotFound, AliasNotFound, PriceBookNotFound, GroupNotFound
Conflict
└── AliasTaken, ModelTaken, GroupNameTaken, GroupInUse
BadRequest
├── PriceRefused          a price out of the sane range, back-dated, or finer than can be kept
│   └── PriceUnusual      a price that may be a mix-up of units, and that nobody confirmed
├── LimitRefused          a limit of tokens that is none
├── CatalogueRefused      an import that contradicts itself
├── AliasRefused          a name or targets that cannot be an alias
└── GroupRefused          a group without patterns, or with one that can match no alias
"""

from governance.core.errors import BadRequest, Conflict, NotFound


class ModelNotFound(NotFound):
    """The catalogue has no such model."""


class DeploymentNotFound(NotFound):
    """No deployment of that id."""


class AliasNotFound(NotFound):
    """No alias of that name."""


class PriceBookNotFound(NotFound):
    """No price book of that name."""


class AliasTaken(Conflict):
    """The organisation has an alias of that name."""


class ModelTaken(Conflict):
    """The catalogue has the model already."""


class PriceRefused(BadRequest):
    """The price is out of the sane range, reaches into the past, or is finer than can be kept."""

    code = "price_refused"


class PriceUnusual(PriceRefused):
    """The price may be a mix-up of units: it stands once somebody confirms it."""

    code = "price_unusual"


class LimitRefused(BadRequest):
    """The number is no limit of tokens."""


class CatalogueRefused(BadRequest):
    """The catalogue contradicts itself."""


class AliasRefused(BadRequest):
    """The name or the targets cannot make an alias."""


class GroupNotFound(NotFound):
    """No access group of that id or name."""


class GroupNameTaken(Conflict):
    """The organisation has an access group of that name."""


class GroupInUse(Conflict):
    """An allow-list, a budget or a rate limit still names the access group."""


class GroupRefused(BadRequest):
    """A group without patterns, or with one that can match no alias."""
