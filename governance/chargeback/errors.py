"""What can go wrong when a month is charged back.

Conflict
├── StatementUnbalanced    statement_unbalanced    409    records and postings disagree: nothing is written
├── MonthNotReady          month_not_ready         409    what was found, an earlier month, or its state is against it
├── MonthNotWritten        month_not_written       409    its statements are being written: try again
└── SecondPersonNeeded     second_person_needed    409    who reviewed a month may not close it
BadRequest
├── MonthNotBegun          month_not_begun         400
└── MonthNotOver           month_not_over          400
NotFound
├── StatementNotFound      statement_not_found     404    none, or not for the caller to see
└── MonthNotFound          month_not_found         404    it is open
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


class MonthNotReady(Conflict):
    """The month cannot take this step now: what was found is against it, an earlier month, or its own state."""

    code = "month_not_ready"


class MonthNotWritten(Conflict):
    """The statements of the month are being written."""

    code = "month_not_written"
    is_retryable = True


class SecondPersonNeeded(Conflict):
    """Who reviewed a month may not close it."""

    code = "second_person_needed"


class MonthNotOver(BadRequest):
    """A month is to be closed that has not ended."""

    code = "month_not_over"


class MonthNotFound(NotFound):
    """The month is open: nobody has begun to close it."""

    code = "month_not_found"
