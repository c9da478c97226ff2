"""What a client is told of a model that its vendor will shut down: RFC 9745 (Deprecation) and RFC 8594 (Sunset)."""

from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

from governance.catalog.lifecycle import Dates
from governance.gateway.exchange import Headers
from governance.gateway.replies import header_value


def retirement_headers(dates: Dates, *, successor: str, on: date) -> Headers:
    """Return the headers of a model with these dates that is near its end on this day (UTC); none for another."""
    begins_on = dates.closes_from
    if begins_on is None or on < begins_on:
        return []
    headers: Headers = [(b"deprecation", b"@%d" % _midnight(begins_on).timestamp())]
    if dates.retires_on is not None:
        ends_at = _midnight(dates.retires_on + timedelta(days=1))
        headers.append((b"sunset", format_datetime(ends_at, usegmt=True).encode()))
    if successor:
        headers.append((b"x-bursar-successor", header_value(successor)))
    return headers


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
