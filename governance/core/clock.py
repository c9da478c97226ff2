"""The one place that reads the wall clock. Domain code takes the time as an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)
