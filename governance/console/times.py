"""How instants are shown: in a named zone, and how far away they are."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def local(at: datetime, zone: str) -> str:
    """Return "24 Nov 2026, 09:05"."""
    shown = at.astimezone(ZoneInfo(zone))
    return f"{shown.day} {shown:%b %Y, %H:%M}"


def precise(at: datetime, zone: str) -> str:
    """Return "24 Nov 2026, 09:05:07.123"."""
    shown = at.astimezone(ZoneInfo(zone))
    return f"{shown.day} {shown:%b %Y, %H:%M:%S}.{shown.microsecond // 1000:03d}"


def to_the_second(at: datetime, zone: str) -> str:
    """Return "24 Nov 2026, 09:05:07"."""
    shown = at.astimezone(ZoneInfo(zone))
    return f"{shown.day} {shown:%b %Y, %H:%M:%S}"


def duration(milliseconds: int) -> str:
    """Return "180 ms" or "63.9 s"."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    return f"{milliseconds // 1000:,}.{milliseconds % 1000 // 100} s"


def distance(at: datetime, now: datetime) -> str:
    """Return "in 3 days", "2 hours ago" or "just now"."""
    delta = at - now
    words = _largest_unit(abs(delta))
    if not words:
        return "just now" if delta <= timedelta(0) else "in less than a minute"
    return f"in {words}" if delta > timedelta(0) else f"{words} ago"


def _largest_unit(delta: timedelta) -> str:
    seconds = delta.days * 86400 + delta.seconds
    for size, name in _UNITS:
        if seconds >= size:
            number = seconds // size
            return f"{number} {name}{'' if number == 1 else 's'}"
    return ""
