"""Errors of the trail.

Conflict
└── TrailBroken   an event does not follow from the one before, or the end was cut off
"""

from governance.core.errors import Conflict


class TrailBroken(Conflict):
    """Somebody changed, added or removed events behind the database's back."""
