"""Errors of budgets.

NotFound
└── BudgetNotFound
Conflict
└── BudgetNameTaken, BudgetRetired
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
