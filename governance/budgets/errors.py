"""Errors of budgets.

NotFound
└── BudgetNotFound, IncreaseNotFound, RequestNotFound
Conflict
└── BudgetNameTaken, BudgetRetired, RequestDecided, RequestOpen
BadRequest
└── BudgetRefused
"""

from governance.core.errors import BadRequest, Conflict, NotFound


class BudgetNotFound(NotFound):
    """No budget of that id or name."""


class BudgetNameTaken(Conflict):
    """A live budget of the organisation has the name already."""


class BudgetRetired(Conflict):
    """The change needs a live budget."""


class BudgetRefused(BadRequest):
    """What was asked of a budget contradicts itself."""


class IncreaseNotFound(NotFound):
    """No increase of that id."""


class RequestNotFound(NotFound):
    """No request for more money of that id."""


class RequestDecided(Conflict):
    """The request was approved, declined or withdrawn already."""


class RequestOpen(Conflict):
    """The person has an open request for that budget already."""
