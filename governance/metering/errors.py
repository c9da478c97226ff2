"""Errors of metering.

NotFound
└── NoSuchSuspense          suspense_unknown
GovernanceUnavailable
└── NoRoomForJournal        governance_unavailable    as any other: nothing was sent
"""

from governance.core.errors import GovernanceUnavailable, NotFound


class NoSuchSuspense(NotFound):
    """No attempt in suspense has that id: it was never one, or it has been resolved."""

    code = "suspense_unknown"


class NoRoomForJournal(GovernanceUnavailable):
    """A process cannot begin its journal: the disk is full or broken."""
