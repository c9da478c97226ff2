"""The link in an invitation's letter: signed, so that none can be guessed, and never stored."""

import re

from django.core.signing import BadSignature, Signer

from governance.identity.errors import InvitationNotFound

_SIGNER = Signer(salt="bursar.invitation")
_VALUE = re.compile(r"(\d{1,18})\.([A-Za-z0-9_-]{16,64})")


def make_token(*, invitation_id: int, nonce: str) -> str:
    """Return the part of the link that stands for this sending of the invitation."""
    return _SIGNER.sign(f"{invitation_id}.{nonce}")


def read_token(token: str) -> tuple[int, str]:
    """Return the invitation's id and nonce. Raises InvitationNotFound."""
    try:
        found = _VALUE.fullmatch(_SIGNER.unsign(token))
    except BadSignature:
        found = None
    if found is None:
        raise InvitationNotFound(
            "This is no link to an invitation: copy it whole from the letter, or ask for another one."
        )
    return int(found[1]), found[2]
