"""DeepSeek on its OpenAI-compatible chat wire.

`prompt_tokens` are cache hits and misses together, `completion_tokens` include thinking, and only `max_tokens` caps
both thinking and answer. In a stream usage comes with the last choice, not in a chunk of its own. While a request
waits, the vendor sends empty lines (before JSON) or comments (in a stream). Sources: api-docs.deepseek.com (rate
limit, error codes, create-chat-completion); recorded replies.
"""

from collections.abc import Callable

from governance.plugin import ConnectionSettings, Provider, Upstream, Wire, hookimpl
from governance.plugin.openai_chat import ChatConventions, ErrorSigns, OpenAIChatProvider, StreamUsage
from governance.plugin.options import check_options

_SIGNS = ErrorSigns(exhausted=(b"Insufficient Balance",), own=(b"Model Not Exist",))
"""An empty balance is 402; 429 is always the account's concurrency, and over in a moment."""


class DeepSeek(OpenAIChatProvider):
    """The base with what DeepSeek's counts and caps mean."""

    error_signs = _SIGNS

    def __init__(self) -> None:
        super().__init__(
            name="deepseek",
            title="DeepSeek",
            default_base_url="https://api.deepseek.com/v1",
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
            maximum_fields=("max_tokens",),
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Refuse options, then describe the server as the base does. Raises ConnectionInvalid."""
        check_options(connection, known={})
        return super().upstream(wire=wire, connection=connection)


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `deepseek`."""
    register(DeepSeek())
