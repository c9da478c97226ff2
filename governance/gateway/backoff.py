"""How long to wait before the same deployment is asked again. Pure: time and chance are arguments."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

BASE_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 2.0
LONGEST_RETRY_AFTER_SECONDS: Final = 5.0
"""A vendor that wants to be left alone for longer than this is not asked again for the same request."""

_MILLISECONDS: Final = "retry-after-ms"
_HEADER: Final = "retry-after"


def pause(*, retries: int, retry_after_seconds: float | None, chance: float) -> float | None:
    """Return the seconds to wait before the retry that follows so many others; None when it would be too long.

    Full jitter: anything from nothing up to a bound that doubles with every retry, so that callers who failed together
    do not come back together. `chance` is from 0 to 1. What the vendor asks for comes before the jitter.
    """
    jitter = chance * min(LONGEST_SECONDS, BASE_SECONDS * 2.0**retries)
    if retry_after_seconds is None:
        return jitter
    if not 0 <= retry_after_seconds <= LONGEST_RETRY_AFTER_SECONDS:
        return None
    return retry_after_seconds + jitter


def retry_after(headers: Sequence[tuple[str, str]], *, at: datetime) -> float | None:
    """Return the seconds that a vendor asks to be left alone; None when it says nothing that can be read.

    `Retry-After` is seconds or a date (RFC 9110, 10.2.3); OpenAI and others also send `retry-after-ms`. A date that has
    passed asks for nothing.
    """
    asked = {name: value.strip() for name, value in headers if name in (_MILLISECONDS, _HEADER)}
    milliseconds = _number(asked.get(_MILLISECONDS, ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = asked.get(_HEADER, "")
    seconds = _number(text)
    return seconds if seconds is not None else _until(text, at)


def _number(text: str) -> float | None:
    whole, _, fraction = text.partition(".")
    if not text.isascii() or not whole.isdecimal() or (fraction and not fraction.isdecimal()):
        return None
    return float(text)


def _until(text: str, at: datetime) -> float | None:
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - at).total_seconds())
