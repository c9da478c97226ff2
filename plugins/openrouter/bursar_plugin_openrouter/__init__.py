"""OpenRouter, a gateway to many vendors.

Usage is always reported, in a stream with the last choice: counts of the vendor's own tokenizer, and what was charged
in USD credits. With a key of one's own (`is_byok`) that is OpenRouter's fee, and the vendor's charge comes beside it.
An error may come after HTTP 200, as an event of the stream, with usage of its own. Sources: openrouter.ai/docs
(usage-accounting, errors, limits, provider-selection); recorded replies.

Which vendor answers, and so what it costs, is OpenRouter's choice. Options of a connection narrow it: `only` names
the vendors that may answer (slugs, comma-separated); `max_input_price` and `max_output_price` are the dearest that
may, in USD per million tokens. Each is written into every request; a client cannot choose.
"""

import re
from collections.abc import Callable

import msgspec

from governance.plugin import (
    ConnectionInvalid,
    ConnectionSettings,
    GoverningFields,
    Provider,
    Upstream,
    Wire,
    hookimpl,
)
from governance.plugin.openai_chat import ChatConventions, ErrorSigns, OpenAIChatProvider, StreamUsage
from governance.plugin.options import ANY_TEXT, check_options

_SIGNS = ErrorSigns(
    exhausted=(
        b"openrouter_credits",
        b"openrouter_key_limit",
        b"openrouter_guardrail_budget",
        b"openrouter_workspace_budget",
        b"free-models-per-day",
        b"insufficient_quota",
    ),
    passing=(b"in_flight_budget_exhausted", b"openrouter_in_flight_budget"),
    own=(b"is not a valid model ID", b"No endpoints found"),
)
"""402 is an empty balance, or more in flight than the balance covers, which passes."""

_FORMS = {
    "only": re.compile(r"[a-z0-9][a-z0-9./_-]*(,[a-z0-9][a-z0-9./_-]*)*"),
    "max_input_price": re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?"),
    "max_output_price": re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?"),
}
_PRICES = {"max_input_price": "prompt", "max_output_price": "completion"}


class OpenRouter(OpenAIChatProvider):
    """The base with what OpenRouter reports, and how its choice of a vendor is narrowed."""

    error_signs = _SIGNS

    def __init__(self) -> None:
        super().__init__(
            name="openrouter",
            title="OpenRouter",
            default_base_url="https://openrouter.ai/api/v1",
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ALWAYS
            ),
            maximum_fields=("max_tokens",),
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Check the options, then describe the server as the base does. Raises ConnectionInvalid."""
        check_options(connection, known=dict.fromkeys(_FORMS, ANY_TEXT))
        for option, value in connection.options.items():
            if not _FORMS[option].fullmatch(value):
                form = "vendors' slugs between commas" if option == "only" else "USD per million tokens, such as 15.00"
                raise ConnectionInvalid(f"Option {option!r} of connection {connection.name!r} must be {form}.")
        return super().upstream(wire=wire, connection=connection)

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """Add the vendors and prices that the connection allows to what the base writes."""
        edits = super().body_edits(wire=wire, connection=connection, fields=fields)
        allowed = _allowed(connection)
        return edits | {"provider": allowed} if allowed else edits


def _allowed(connection: ConnectionSettings) -> dict[str, object]:
    options = connection.options
    prices = {theirs: msgspec.Raw(options[ours].encode()) for ours, theirs in _PRICES.items() if ours in options}
    allowed: dict[str, object] = {"only": options["only"].split(",")} if "only" in options else {}
    return allowed | {"max_price": prices} if prices else allowed


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `openrouter`."""
    register(OpenRouter())
