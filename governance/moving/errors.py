"""Errors of moving over.

BadRequest
├── SourceUnreadable      it is not what LiteLLM says
└── SourceSilent          LiteLLM could not be asked, or refused
"""

from governance.core.errors import BadRequest


class SourceUnreadable(BadRequest):
    """A file or an answer is not what LiteLLM writes."""


class SourceSilent(BadRequest):
    """LiteLLM could not be asked, or refused."""
