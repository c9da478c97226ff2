"""Errors of jobs.

BursarError
└── NotFound
    └── NoSuchJob    not_found    no job that is open has this id
"""

from governance.core.errors import NotFound


class NoSuchJob(NotFound):
    """No job that is open has this id."""
