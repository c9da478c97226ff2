"""What of a vendor's reply reaches the client: listed headers, the body's bytes, and never a credential."""

import time
from collections.abc import Sequence

from governance.core.errors import ProviderTimedOut, ProviderUnavailable
from governance.gateway.departure import Departure
from governance.gateway.exchange import Headers
from governance.gateway.limits import Limits
from governance.gateway.transport import AnswerLost, Reply, TransportFailed
from governance.gateway.watchdog import Patience, Waiting

_PASSED = frozenset(
    {
        "content-type",
        "content-encoding",
        "content-language",
        "openai-model",
        "openai-processing-ms",
        "openai-version",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
    }
)
_PASSED_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-", "x-bursar-sandbox")
_SHOWN_AS = {
    **{name: name.encode() for name in _PASSED},
    "x-request-id": b"x-bursar-upstream-request-id",
    "request-id": b"x-bursar-upstream-request-id",
}
_MASK = b"[credential]"


class ReplyTooLarge(Exception):
    """The vendor's reply is larger than the gateway holds, or than is worth reading for a client that has gone."""


def passed_headers(headers: Sequence[tuple[str, str]], *, secrets: Sequence[str]) -> Headers:
    """Return the headers that reach the client. The vendor's own request id gets a name of its own."""
    passed: Headers = []
    for name, value in headers:
        shown = _SHOWN_AS.get(name)
        if shown is None:
            if not name.startswith(_PASSED_PREFIXES):
                continue
            shown = name.encode()
        if True not in [secret in value for secret in secrets]:
            passed.append((shown, value.encode("latin-1", "replace")))
    return passed


def header_value(text: str) -> bytes:
    """Return a name of the catalogue's as a header can carry it: nothing in it ends a line."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text.encode("ascii", "replace")


def masked(body: bytes, *, secrets: Sequence[str]) -> bytes:
    """Return an error body without the connection's secrets; otherwise unchanged."""
    for secret in secrets:
        body = body.replace(secret.encode(), _MASK)
    return body


def content_type(reply: Reply) -> str:
    """Return the media type of a reply, without parameters."""
    for name, value in reply.headers:
        if name == "content-type":
            return value.partition(";")[0].strip().lower()
    return ""


def is_compressed(reply: Reply) -> bool:
    """Return whether the reply's bytes are not its text."""
    return any(name == "content-encoding" and value != "identity" for name, value in reply.headers)


async def read_whole(reply: Reply, *, limits: Limits, patience: Patience, departure: Departure) -> bytes:
    """Return the reply's body. Raises ReplyTooLarge or AnswerLost."""
    parts: list[bytes] = []
    size = 0
    patience.until(time.monotonic() + limits.idle_seconds, Waiting.NEXT_BYTE)
    while chunk := await reply.next_chunk():
        patience.until(time.monotonic() + limits.idle_seconds, Waiting.NEXT_BYTE)
        size += len(chunk)
        if size > limits.reply_bytes or not departure.allows(len(chunk)):
            raise ReplyTooLarge
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def vendor_failure(error: TransportFailed, *, provider: str) -> ProviderUnavailable | ProviderTimedOut:
    """Return what the client is told when the vendor did not answer."""
    if not isinstance(error, AnswerLost):
        return ProviderUnavailable(
            f"{provider} could not be reached, so nothing was sent and nothing is charged: try again later, "
            "or use another model.",
            retry_after_seconds=2,
        )
    if error.is_timeout:
        return timed_out(provider=provider)
    return ProviderUnavailable(
        f"The connection to {provider} broke before its answer was complete. It may be charged for all the same; "
        "its cost stays reserved until that is known."
    )


def timed_out(*, provider: str) -> ProviderTimedOut:
    """Return what the client is told when the vendor was too slow."""
    return ProviderTimedOut(
        f"{provider} did not answer in time. The answer may be charged for all the same; its cost stays reserved "
        "until that is known."
    )
