"""Anthropic's own API. What the account decides about prices is an option of the connection:

- `key_header`: `x-api-key` (default) or `authorization`, which sends the key as a bearer token.
- `inference_geo`: `global` (default) or `us`, the workspace's default where a request names no place; `us` is billed at
  the prices of the service tier `us`.
- `priority_tier`: `no` (default) or `yes`: the organisation has bought priority capacity, at which any request may be
  billed that does not ask for `standard_only`.
"""

from collections.abc import Callable

from governance.plugin import (
    ConnectionInvalid,
    ConnectionSettings,
    GoverningFields,
    Provider,
    Upstream,
    Wire,
    hookimpl,
)
from governance.plugin.anthropic_messages import AnthropicBatchesProvider, KeyHeader, tier_name

_CHOICES = {
    "key_header": tuple(header.value for header in KeyHeader),
    "inference_geo": ("global", "us"),
    "priority_tier": ("no", "yes"),
}


class Anthropic(AnthropicBatchesProvider):
    """The base with three options."""

    def __init__(self) -> None:
        super().__init__(
            name="anthropic",
            title="Anthropic",
            default_base_url="https://api.anthropic.com",
            needs_credential=True,
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Check the options, then describe the server as the base does. Raises ConnectionInvalid."""
        for option, value in connection.options.items():
            if option not in _CHOICES:
                known = ", ".join(_CHOICES)
                raise ConnectionInvalid(
                    f"Connection {connection.name!r} has the unknown option {option!r}: use {known}."
                )
            if value not in _CHOICES[option]:
                known = " or ".join(_CHOICES[option])
                raise ConnectionInvalid(f"Option {option!r} of connection {connection.name!r} must be {known}.")
        return super().upstream(wire=wire, connection=connection)

    def key_header(self, connection: ConnectionSettings) -> KeyHeader:
        """Return what the connection's option says."""
        return KeyHeader(connection.options.get("key_header", KeyHeader.X_API_KEY))

    def service_tiers(self, *, connection: ConnectionSettings, fields: GoverningFields) -> tuple[str, ...]:
        """Return the prices to which request, workspace and bought capacity can lead. Raises RequestUnbounded."""
        super().service_tiers(connection=connection, fields=fields)
        has_priority = connection.options.get("priority_tier") == "yes" and fields.service_tier != "standard_only"
        place = fields.inference_geo or connection.options.get("inference_geo")
        return tuple(
            tier_name(tier, speed, place)
            for tier in ((None, "priority") if has_priority else (None,))
            for speed in ((None, "fast") if fields.speed == "fast" else (None,))
        )


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `anthropic`."""
    register(Anthropic())
