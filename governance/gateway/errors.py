"""Refusals that only the gateway gives, beside those of `governance.core.errors`.

BursarError                      code                      status
├── RouteUnknown (NotFound)      route_unknown             404
├── MethodNotAllowed             method_not_allowed        405
├── RegionNotAllowed (Forbidden)  region_not_allowed        403
├── ModelRetired (BadRequest)    model_retired             404
├── ModelNotReleased (BadRequest) model_not_released       404
├── EncodingUnsupported          encoding_unsupported      415
├── RequestTimedOut              request_timed_out         408
├── ReplyUnusable                reply_unusable            502
├── GuardRefused (BadRequest)    guard_refused             400
└── GuardFailed                  guard_failed              503
"""

from governance.core.errors import BadRequest, BursarError, Forbidden, NotFound


class RouteUnknown(NotFound):
    """The gateway has no such route. Default deny: what is not metered does not exist."""

    code = "route_unknown"


class MethodNotAllowed(BursarError):
    """The route exists, with another method."""

    code = "method_not_allowed"
    http_status = 405


class RegionNotAllowed(Forbidden):
    """The model is served, but nowhere that the team's requests may be handled."""

    code = "region_not_allowed"


class ModelRetired(BadRequest):
    """The vendor has shut the model down."""

    code = "model_retired"
    http_status = 404


class ModelNotReleased(BadRequest):
    """The vendor has announced the model, and does not serve it yet."""

    code = "model_not_released"
    http_status = 404


class EncodingUnsupported(BadRequest):
    """The body is compressed: it is refused, so that no small request can unfold into a huge one."""

    code = "encoding_unsupported"
    http_status = 415


class RequestTimedOut(BadRequest):
    """The client did not finish sending its request in time."""

    code = "request_timed_out"
    http_status = 408


class ReplyUnusable(BursarError):
    """The vendor answered with something that cannot be passed on: too large, or a redirect."""

    code = "reply_unusable"
    http_status = 502


class GuardRefused(BadRequest):
    """A guard found what the team does not let pass, in the request or in its answer."""

    code = "guard_refused"


class GuardFailed(BursarError):
    """A guard could not look, so nothing passes."""

    code = "guard_failed"
    http_status = 503
