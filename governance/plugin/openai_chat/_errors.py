"""What an error reply of this wire means: by HTTP's own statuses, and by the words a vendor tells them apart with."""

import msgspec

from governance.plugin.provider import Billing, ErrorReading

_UNBILLED = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429})
_RETRYABLE = frozenset({408, 409, 425, 429})
_ELSEWHERE = frozenset({401, 402, 403, 404})


class ErrorSigns(msgspec.Struct, frozen=True, kw_only=True):
    """Pieces of error bodies, as the vendor spells them: one HTTP status stands for several errors.

    `exhausted`: a balance, a spend cap or a plan is used up, or the account is locked: another attempt here is useless.
    `passing`: over in a moment, whatever the status; it goes before `exhausted`. `own`: wrong with this account, key or
    model alone, so that another deployment may answer. `billed`: the vendor refuses, and may charge for it all the
    same. `refused_statuses`: statuses of the vendor's own with which it turns an account away before any work.
    """

    exhausted: tuple[bytes, ...] = ()
    passing: tuple[bytes, ...] = ()
    own: tuple[bytes, ...] = ()
    billed: tuple[bytes, ...] = ()
    refused_statuses: frozenset[int] = frozenset()


KNOWN_SIGNS = ErrorSigns(
    exhausted=(
        b"insufficient_quota",
        b"credit_balance_exhausted",
        b"usage_limit_exceeded",
        b"spend_limit",
        b'"1113"',
    ),
    own=(b"model_not_found", b"Model Not Exist"),
)
"""Of the vendors whose wire this is, and of those that an unnamed server is likely to be."""


def read_error(signs: ErrorSigns, *, status: int, body: bytes) -> ErrorReading:
    """A refusal before any work is unbilled; anything else is unknown. An empty balance is not worth a retry, but
    another vendor may be, as for a credential or a model that this one does not take.
    """
    is_passing = _says(body, signs.passing)
    is_exhausted = not is_passing and _says(body, signs.exhausted)
    is_retryable = is_passing or ((status in _RETRYABLE or status >= 500) and not is_exhausted)
    is_its_own = is_exhausted or status in _ELSEWHERE | signs.refused_statuses or _says(body, signs.own)
    is_refused = status in _UNBILLED | signs.refused_statuses and not _says(body, signs.billed)
    return ErrorReading(
        billing=Billing.UNBILLED if is_refused else Billing.UNKNOWN,
        is_retryable=is_retryable,
        may_work_elsewhere=is_retryable or is_its_own,
    )


def _says(body: bytes, signs: tuple[bytes, ...]) -> bool:
    return any(sign in body for sign in signs)
