"""Errors of metering's management side."""

from governance.core.errors import NotFound


class NoSuchSuspense(NotFound):
    """No attempt in suspense has that id: it was never one, or it has been resolved."""

    code = "suspense_unknown"
