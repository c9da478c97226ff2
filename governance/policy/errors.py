"""Errors of policy.

BadRequest
└── RuleRefused          a pattern that can match no alias, a rule for nobody, a group without patterns
Conflict
└── GroupNameTaken, GroupInUse
NotFound
└── GroupNotFound
"""

from governance.core.errors import BadRequest, Conflict, NotFound


class RuleRefused(BadRequest):
    """A pattern that can match no alias, a rule for nobody, or a group without patterns."""


class GroupNameTaken(Conflict):
    """The organisation has an access group of that name."""


class GroupInUse(Conflict):
    """An allow-list still names the access group."""


class GroupNotFound(NotFound):
    """No access group of that name."""
