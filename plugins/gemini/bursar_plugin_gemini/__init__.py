"""Google's Gemini API, with a key of AI Studio.

A request may ask for the tiers `flex` (half the price) and `priority` (dearer); the vendor may serve either at the
standard tier and says in its usage which one it bills. Source: https://ai.google.dev/gemini-api/docs/pricing.
"""

from collections.abc import Callable

from governance.plugin import Provider, hookimpl
from governance.plugin.gemini import GeminiProvider

_SERVICE_TIERS = {
    "unspecified": (),
    "standard": (),
    "flex": ("flex", "standard"),
    "priority": ("priority", "standard"),
}


class Gemini(GeminiProvider):
    """The base with this vendor's address and service tiers."""

    def __init__(self) -> None:
        super().__init__(
            name="gemini",
            title="Google Gemini",
            default_base_url="https://generativelanguage.googleapis.com/v1beta",
            service_tiers=_SERVICE_TIERS,
        )


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `gemini`."""
    register(Gemini())
