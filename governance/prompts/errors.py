"""Errors of stored prompts.

NotFound
└── PromptNotFound     nothing is stored under that id
BadRequest
└── StoringRefused     the wish, or the erasure, makes no sense
"""

from governance.core.errors import BadRequest, NotFound


class PromptNotFound(NotFound):
    """Nothing is stored for that request, or not any more."""


class StoringRefused(BadRequest):
    """The wish is out of bounds."""
