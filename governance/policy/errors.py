"""Errors of policy.

BadRequest
└── RuleRefused          a pattern that can match no alias, or a rule for nobody
"""

from governance.core.errors import BadRequest


class RuleRefused(BadRequest):
    """A pattern that can match no alias, or a rule for nobody."""
