"""Signatures of Standard Webhooks: pure."""

import base64
import binascii
import hashlib
import hmac

from governance.plugin import SettingInvalid

PREFIX = "whsec_"
SECRET = "BURSAR_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
_BYTES = range(24, 65)


def parse_secret(text: str | None) -> bytes:
    """Read the signing secret. Raises SettingInvalid: unsigned alerts are never sent."""
    try:
        key = base64.b64decode((text or "").removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if len(key) not in _BYTES or len(set(key)) < 8:
        raise SettingInvalid(
            f"{SECRET} must be {PREFIX} and 24 to 64 random bytes in base64. Make one with `python -c "
            f"'import base64, secrets; print(\"{PREFIX}\" + base64.b64encode(secrets.token_bytes(32)).decode())'`."
        )
    return key


def signed_headers(*, key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers by which a receiver knows that the body is ours and new."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
