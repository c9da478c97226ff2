"""Vendors that do not sign, frame or refuse as the wire they serve does: what their plugins make of it.

None of this is asked for on the way to a vendor whose plugin has nothing of it.
"""

from typing import cast

import structlog

from governance.gateway.exchange import Headers
from governance.gateway.formats import EVENT_STREAM_HEADER
from governance.gateway.pricing import Quote
from governance.plugin.provider import EnvelopingProvider, FramingProvider, SigningProvider, Upstream
from governance.plugin.sse import Splitter
from governance.policy.snapshot import DeploymentPolicy

_log = structlog.get_logger("bursar.gateway")


def signature_of(deployment: DeploymentPolicy, upstream: Upstream, body: bytes) -> tuple[tuple[str, str], ...]:
    """Return the headers that authorise this request. Its plugin said that it signs (`Upstream.is_signed`)."""
    provider = cast(SigningProvider, deployment.provider)
    return provider.signature(connection=deployment.connection, upstream=upstream, body=body)


def enveloped(quote: Quote, body: bytes) -> bytes:
    """Return what is sent in place of this body. Its plugin said that it has an envelope (`Upstream.is_enveloped`)."""
    return cast(EnvelopingProvider, quote.deployment.provider).enveloped(wire=quote.wire, body=body)


def opened(quote: Quote, body: bytes) -> bytes:
    """Return the whole reply to such a request as the wire has it."""
    try:
        return cast(EnvelopingProvider, quote.deployment.provider).opened(wire=quote.wire, body=body)
    except Exception:  # noqa: BLE001 - a plugin's own fault does not cost the client the vendor's words
        _log.exception("plugin_failed", provider=quote.deployment.provider.name, doing="opened")
        return body


def reframing(quote: Quote, kind: str) -> Splitter | None:
    """Return what makes events of a stream of this content type, which is not of the wire; None where nothing does."""
    if not hasattr(quote.deployment.provider, "framing"):
        return None
    return cast(FramingProvider, quote.deployment.provider).framing(wire=quote.wire, content_type=kind)


def as_events(headers: Headers) -> Headers:
    """Return the headers of a stream that was made into events."""
    return [EVENT_STREAM_HEADER, *[header for header in headers if header[0] != EVENT_STREAM_HEADER[0]]]


def in_wire(quote: Quote, status: int, body: bytes) -> bytes:
    """Return an error reply as the wire has them."""
    provider = quote.deployment.provider
    if not hasattr(provider, "error_in_wire"):
        return body
    try:
        return cast(FramingProvider, provider).error_in_wire(wire=quote.wire, status=status, body=body)
    except Exception:  # noqa: BLE001 - a plugin's own fault does not cost the client the vendor's words
        _log.exception("plugin_failed", provider=provider.name, doing="error_in_wire")
        return body
