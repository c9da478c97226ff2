"""What a second factor is made of, sealed: whoever reads the database alone cannot make codes."""

import base64

from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings

from governance.connections.sealing import Sealed, seal_secret, unseal_secret

_OWNER = "bursar.second-factor"
_MARK = "sealed"


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc] # allauth carries no types
    """allauth's hooks for second factors."""

    def encrypt(self, text: str) -> str:
        """Seal the seed of an authenticator app or of recovery codes."""
        sealed = seal_secret(text.encode(), owner=_OWNER, keys=settings.ENVIRONMENT.sealing_keys)
        return ":".join([_MARK, sealed.key_id, _text(sealed.nonce), _text(sealed.ciphertext)])

    def decrypt(self, encrypted_text: str) -> str:
        """Open it again. What was stored before seeds were sealed is read as it is."""
        mark, _, rest = encrypted_text.partition(":")
        if mark != _MARK:
            return encrypted_text
        key_id, nonce, ciphertext = rest.rsplit(":", 2)
        sealed = Sealed(key_id, base64.b64decode(nonce), base64.b64decode(ciphertext))
        return unseal_secret(sealed, owner=_OWNER, keys=settings.ENVIRONMENT.sealing_keys).decode()


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
