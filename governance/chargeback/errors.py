"""What can go wrong when a month is charged back.

Conflict
└── StatementUnbalanced    statement_unbalanced    409    records and postings disagree: nothing is written
BadRequest
└── MonthNotBegun          month_not_begun         400
NotFound
└── StatementNotFound      statement_not_found     404    none, or not for the caller to see
"""

from governance.core.errors import BadRequest, Conflict, NotFound


class StatementUnbalanced(Conflict):
    """Usage records and postings of a cost centre's month do not add up to the same money."""

    code = "statement_unbalanced"


class MonthNotBegun(BadRequest):
    """A statement was asked for a month that lies ahead."""

    code = "month_not_begun"


class StatementNotFound(NotFound):
    """No such statement exists, or the caller may not see it."""

    code = "statement_not_found"
