"""What a connection's credential may be: a Bedrock API key, sent as a bearer token, or AWS access keys, which sign."""

import re
from typing import Final

import msgspec

from governance.plugin import ConnectionInvalid, ConnectionSettings

_ID: Final = re.compile(r"[A-Z0-9]{16,128}")


class AccessKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """AWS access keys. With a session token they are temporary ones: a role's, or such as nobody renews."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"AccessKeys(access_key_id={self.access_key_id!r})"


_keys = msgspec.json.Decoder(AccessKeys)


def access_keys(connection: ConnectionSettings) -> AccessKeys | None:
    """Return the access keys; None where the credential is a Bedrock API key. Raises ConnectionInvalid, without
    repeating it.
    """
    credential = connection.credential
    if not credential.startswith("{"):
        return None
    try:
        keys = _keys.decode(credential)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _refused(connection) from error
    texts = (keys.secret_access_key, keys.session_token or "-")
    is_sendable = all(text.isascii() and text.isprintable() and " " not in text for text in texts)
    if not _ID.fullmatch(keys.access_key_id) or not keys.secret_access_key or not is_sendable:
        raise _refused(connection)
    return keys


def _refused(connection: ConnectionSettings) -> ConnectionInvalid:
    return ConnectionInvalid(
        f"The credential of connection {connection.name!r} is neither a Bedrock API key nor AWS access keys: write "
        'those as {"access_key_id": "...", "secret_access_key": "...", "session_token": "..."}, the last for temporary '
        "keys alone."
    )
