"""Errors of policy.

BadRequest
├── RuleRefused          a pattern that can match no alias, or a rule for nobody
├── GuardUnknown         no plugin offers the guard
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


class RateLimitRefused(BadRequest):
    """What was asked of a rate limit contradicts itself."""


class RateLimitNotFound(NotFound):
    """No rate limit of that id."""


class RateLimitNameTaken(Conflict):
    """A live rate limit of the organisation has the name already."""


class RateLimitRetired(Conflict):
    """The change needs a live rate limit."""
