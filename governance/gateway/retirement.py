"""What a client is told of a model that its vendor will shut down: RFC 9745 (Deprecation) and RFC 8594 (Sunset)."""

from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

from governance.gateway.exchange import Headers
from governance.gateway.replies import header_value
from governance.policy.snapshot import ModelPolicy

NOTICE = timedelta(days=90)
"""So long before its last day a model counts as deprecated."""


def retirement_headers(model: ModelPolicy, *, on: date) -> Headers:
    """Return the headers of a model that is near its end on this day (UTC); none for another."""
    if model.retires_on is None or on < model.retires_on - NOTICE:
        return []
    ends_at = datetime.combine(model.retires_on + timedelta(days=1), time(), tzinfo=UTC)
    headers: Headers = [
        (b"deprecation", b"@%d" % (ends_at - NOTICE).timestamp()),
        (b"sunset", format_datetime(ends_at, usegmt=True).encode()),
    ]
    if model.successor:
        headers.append((b"x-bursar-successor", header_value(model.successor)))
    return headers
