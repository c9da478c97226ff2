"""Errors of policy.

BadRequest
├── RuleRefused          a pattern that can match no alias, or a rule for nobody
├── GuardUnknown         no plugin offers the guard
├── FileRefused          a file of teams, keys or budgets that cannot be loaded
└── RateLimitRefused     what was asked of a rate limit contradicts itself
NotFound
└── RateLimitNotFound
Conflict
└── RateLimitNameTaken, RateLimitRetired
"""

from governance.core.errors import BadRequest, Conflict, NotFound


class RuleRefused(BadRequest):
    """A pattern that can match no alias, or a rule for nobody."""


class GuardUnknown(BadRequest):
    """No installed plugin offers a guard of that name."""


class FileRefused(BadRequest):
    """A file cannot be read as what it should hold, or has lines that are wrong."""


class RateLimitRefused(BadRequest):
    """What was asked of a rate limit contradicts itself."""


class RateLimitNotFound(NotFound):
    """No rate limit of that id."""


class RateLimitNameTaken(Conflict):
    """A live rate limit of the organisation has the name already."""


class RateLimitRetired(Conflict):
    """The change needs a live rate limit."""
