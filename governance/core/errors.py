"""The tree of errors that a caller of Bursar may see.

BursarError                      code                      status  retry
├── BadRequest                   bad_request               400
│   ├── RequestTooLarge          request_too_large         413
│   ├── ModelUnknown             model_unknown             404
│   ├── RequestUnpriced          request_unpriced          400     nothing bounds its cost
│   ├── TagsMissing              tags_missing              400
│   └── RequestBeyondRateLimit   request_beyond_rate_limit 400     it needs more than a window ever has
├── AuthenticationFailed         key_invalid               401
├── Forbidden                    forbidden                 403
│   └── ModelNotAllowed          model_not_allowed         403
├── NotFound                     not_found                 404
├── Conflict                     conflict                  409
├── BudgetExceeded               budget_exceeded           402     never: the money is spent
├── BudgetHeld                   budget_held               429     yes: money is in flight
├── RateLimited                  rate_limited              429     yes: when the window is over, or a request ends
├── GovernanceUnavailable        governance_unavailable    503     yes: the books cannot be asked; nothing was sent
├── ProviderUnavailable          provider_unavailable      502     the vendor could not be reached
└── ProviderTimedOut             provider_timed_out        504

Codes are stable: clients and scripts match on them. Rendering into a wire's own shape happens in one place per wire.
"""

from typing import ClassVar


class BursarError(Exception):
    """Base. The message is whole sentences for the person who must act: what is wrong, and the remedy."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    is_retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class BadRequest(BursarError):
    """The request cannot be understood or is out of bounds."""

    code = "bad_request"
    http_status = 400


class RequestTooLarge(BadRequest):
    """The body is larger than the gateway reads."""

    code = "request_too_large"
    http_status = 413


class ModelUnknown(BadRequest):
    """No alias of that name exists."""

    code = "model_unknown"
    http_status = 404


class RequestUnpriced(BadRequest):
    """The request's cost has no known upper bound: no price, no call."""

    code = "request_unpriced"


class TagsMissing(BadRequest):
    """The team requires tags that the request does not carry."""

    code = "tags_missing"


class RequestBeyondRateLimit(BadRequest):
    """The request needs more tokens than a rate limit allows in a whole window: it could never be admitted."""

    code = "request_beyond_rate_limit"


class AuthenticationFailed(BursarError):
    """The key is missing, unknown, revoked or expired."""

    code = "key_invalid"
    http_status = 401


class Forbidden(BursarError):
    """The caller is known and may not do this."""

    code = "forbidden"
    http_status = 403


class ModelNotAllowed(Forbidden):
    """The allow-list of the key, its team, unit or organisation does not hold the model."""

    code = "model_not_allowed"


class NotFound(BursarError):
    """The thing named does not exist, or the caller may not know of it."""

    code = "not_found"
    http_status = 404


class Conflict(BursarError):
    """The change contradicts what is there."""

    code = "conflict"
    http_status = 409


class BudgetExceeded(BursarError):
    """A hard budget cannot pay the worst case, and no money in flight would help. Stock SDKs do not retry a 402."""

    code = "budget_exceeded"
    http_status = 402


class BudgetHeld(BursarError):
    """A hard budget could pay if money in flight came back."""

    code = "budget_held"
    http_status = 429
    is_retryable = True


class RateLimited(BursarError):
    """A rate limit is used up until its window ends, or as many requests as it allows are running.

    `counts` says which kind: requests, tokens or concurrent.
    """

    code = "rate_limited"
    http_status = 429
    is_retryable = True

    def __init__(self, message: str, *, counts: str, retry_after_seconds: int) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.counts = counts


class GovernanceUnavailable(BursarError):
    """The books cannot be asked, so nothing is sent: Bursar never fails open."""

    code = "governance_unavailable"
    http_status = 503
    is_retryable = True


class ProviderUnavailable(BursarError):
    """The vendor could not be reached."""

    code = "provider_unavailable"
    http_status = 502


class ProviderTimedOut(BursarError):
    """The vendor did not answer in time."""

    code = "provider_timed_out"
    http_status = 504
