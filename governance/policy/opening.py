"""Opening what is sealed, for the snapshot. No Django."""

from collections.abc import Sequence

from governance.connections.errors import SealBroken
from governance.connections.hot import ConnectionRow
from governance.connections.sealing import Sealed, unseal, unseal_secret
from governance.core.environment import SealingKey
from governance.plugin.errors import ConnectionInvalid


class Opener:
    """Opens what is sealed, with these sealing keys."""

    def __init__(self, keys: Sequence[SealingKey]) -> None:
        self._keys = keys

    def credential(self, row: ConnectionRow) -> str:
        """Return the credential of a connection in the clear. Raises ConnectionInvalid when it cannot be opened."""
        if row.sealing_key is None or row.nonce is None or row.ciphertext is None:
            return ""
        try:
            return unseal(Sealed(row.sealing_key, row.nonce, row.ciphertext), connection_id=row.id, keys=self._keys)
        except SealBroken as error:
            raise ConnectionInvalid(str(error)) from error

    def secret(self, sealed: Sealed, owner: str) -> bytes:
        """Return what was sealed for this owner. Raises SealBroken."""
        return unseal_secret(sealed, owner=owner, keys=self._keys)
