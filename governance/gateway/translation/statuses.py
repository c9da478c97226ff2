"""What the wires' errors share: HTTP statuses, and a message whatever the vendor sent."""

from http import HTTPStatus

_LONGEST_MESSAGE = 4_000
UNAVAILABLE = 502
"""An error without a status of its own: the vendor's fault, as far as the client can tell."""


def known_status(code: object) -> int:
    """Return this code if it is an HTTP status of an error."""
    return code if isinstance(code, int) and 400 <= code <= 599 else UNAVAILABLE


def message_of(message: object, status: int) -> str:
    """Return the vendor's message, or a sentence where it gave none."""
    if isinstance(message, str) and message.strip():
        return message[:_LONGEST_MESSAGE]
    reason = next((known.phrase for known in HTTPStatus if known == status), "an error")
    return f"The vendor answered with HTTP status {status} ({reason}) and no message."
