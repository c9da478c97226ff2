"""What every dialect can say."""

from collections.abc import Iterable
from typing import Protocol

from governance.core.errors import BursarError
from governance.gateway.exchange import Headers
from governance.policy.snapshot import AliasPolicy


class Dialect(Protocol):
    """One API's own shapes. Stateless."""

    def error_response(self, error: BursarError, *, field: str | None = None) -> tuple[int, Headers, bytes]:
        """Render a refusal: status, headers and body. `field` is the field of the request that it is about."""

    def error_event(self, error: BursarError) -> bytes:
        """Return what tells the client of a stream, within it, that it will not be completed."""

    def model(self, alias: AliasPolicy) -> bytes:
        """Describe one alias."""

    def models(self, aliases: Iterable[AliasPolicy]) -> bytes:
        """Return the list of these."""


def refusal_headers(error: BursarError) -> Headers:
    """Return what every dialect's refusals carry beside their content type.

    Stock SDKs retry 408, 409, 429 and every 5xx unless told otherwise; `x-should-retry` tells them.
    """
    headers: Headers = []
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_seconds))
    if not error.is_retryable:
        headers.append((b"x-should-retry", b"false"))
    if error.http_status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers
