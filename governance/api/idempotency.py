"""Keeping the answer to a change, so that the same request again is answered and not done again."""

import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db.models.functions import Now
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from governance.api.caller import Caller
from governance.api.errors import FieldsInvalid, KeyReused
from governance.api.models import KeptAnswer

KEPT: Final = timedelta(hours=24)
HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_NONCE_BYTES: Final = 12
_KEPT_HEADERS: Final = ("Location", "ETag")


def answer_once(*, request: Request, caller: Caller, make: Callable[[], Response]) -> Response:
    """Make the answer, or return the one that was made for the same key before. Must run in a transaction.

    An answer that failed is not kept: its change was rolled back with it. Raises FieldsInvalid and KeyReused.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return make()
    if _KEY.fullmatch(key) is None:
        raise FieldsInvalid(f"An {HEADER} has 1 to 255 visible ASCII characters: a UUID is a good one.")
    kept = _row(caller, key, _digest(request))
    if kept.ciphertext:
        return _opened(kept, caller, key)
    response = make()
    content = {
        "status": response.status_code,
        "body": response.data,
        "headers": {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers},
    }
    kept.nonce = os.urandom(_NONCE_BYTES)
    text = json.dumps(content, cls=JSONEncoder).encode()
    kept.ciphertext = AESGCM(_sealing_key(caller, key)).encrypt(kept.nonce, text, _owner(caller))
    kept.save(update_fields=["nonce", "ciphertext"])
    return response


def _row(caller: Caller, key: str, digest: bytes) -> KeptAnswer:
    """Return the row of this key, locked. Of two requests at the same time the second waits here for the first."""
    KeptAnswer.objects.filter(created_at__lt=Now() - KEPT).delete()
    key_digest = hashlib.sha256(key.encode()).digest()
    row = KeptAnswer(token=caller.token, key_digest=key_digest, request_digest=digest)
    KeptAnswer.objects.bulk_create([row], ignore_conflicts=True)
    kept = KeptAnswer.objects.select_for_update(no_key=True).get(token=caller.token, key_digest=key_digest)
    if not hmac.compare_digest(bytes(kept.request_digest), digest):
        raise KeyReused(f"This {HEADER} was used for another request: make a new one for each change.")
    return kept


def _opened(kept: KeptAnswer, caller: Caller, key: str) -> Response:
    sealed, nonce = bytes(kept.ciphertext), bytes(kept.nonce)
    content = json.loads(AESGCM(_sealing_key(caller, key)).decrypt(nonce, sealed, _owner(caller)))
    headers = content["headers"] | {"Idempotent-Replayed": "true"}
    return Response(content["body"], status=content["status"], headers=headers)


def _digest(request: Request) -> bytes:
    http = request._request
    described = f"{http.method} {http.get_full_path()}\n".encode()
    return hashlib.sha256(described + http.body).digest()


def _sealing_key(caller: Caller, key: str) -> bytes:
    # The database has neither: what is kept can be opened by the holder of the token alone, who got it already.
    return hmac.digest(caller.secret.encode(), f"kept answer {key}".encode(), "sha256")


def _owner(caller: Caller) -> bytes:
    return f"token {caller.token.pk}".encode()
