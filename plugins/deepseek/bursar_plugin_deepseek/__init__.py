"""DeepSeek on its OpenAI-compatible chat wire, its Responses wire, and its Anthropic-compatible messages wire.

`prompt_tokens` are cache hits and misses together, `completion_tokens` include thinking, and only `max_tokens` caps
both thinking and answer; in the Responses wire it is the same under its names. In a chat's stream usage comes with the
last choice, not in a chunk of its own. While a request waits, the vendor sends empty lines (before JSON) or comments
(in a stream). In Anthropic's wire input leaves out what the cache held, as there; what a message's first event says of
its input is not relied on. Sources: api-docs.deepseek.com (rate limit, error codes, create-chat-completion, Anthropic
API); recorded replies.
"""

from collections.abc import Callable

import msgspec

from governance.plugin import ConnectionSettings, ErrorReading, Provider, Upstream, Wire, hookimpl
from governance.plugin.anthropic_messages import AnthropicMessagesProvider
from governance.plugin.combined import CombinedProvider
from governance.plugin.openai_chat import ChatConventions, ErrorSigns, StreamUsage, base_url
from governance.plugin.openai_responses import OpenAIResponsesProvider, ResponsesConventions
from governance.plugin.options import check_options

_NAME = "deepseek"
_TITLE = "DeepSeek"
_BASE_URL = "https://api.deepseek.com/v1"
_SIGNS = ErrorSigns(exhausted=(b"Insufficient Balance",), own=(b"Model Not Exist",))
"""An empty balance is 402; 429 is always the account's concurrency, and over in a moment."""


class _OpenAI(OpenAIResponsesProvider):
    """The base with what DeepSeek's counts and caps mean."""

    error_signs = _SIGNS
    responses_conventions = ResponsesConventions(input_includes_cache=True, output_includes_reasoning=True)

    def __init__(self) -> None:
        super().__init__(
            name=_NAME,
            title=_TITLE,
            default_base_url=_BASE_URL,
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
            maximum_fields=("max_tokens",),
        )


class _Messages(AnthropicMessagesProvider):
    """The base, with images refused: how many tokens one is does not stand on the vendor's pages."""

    wires = frozenset({Wire.ANTHROPIC_MESSAGES})
    tells_input_at_once = False
    bounds_images = False

    def __init__(self) -> None:
        super().__init__(name=_NAME, title=_TITLE, default_base_url=_BASE_URL, needs_credential=True)


class DeepSeek(CombinedProvider):
    """Three wires of one host: chat below `/v1`, the others beside it."""

    def __init__(self) -> None:
        self._openai = _OpenAI()
        super().__init__(self._openai, _Messages())

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Refuse options, then describe the server as the wire's base does. Raises ConnectionInvalid."""
        check_options(connection, known={})
        host = base_url(connection).removesuffix("/v1")
        if wire is Wire.ANTHROPIC_MESSAGES:
            connection = msgspec.structs.replace(connection, base_url=f"{host}/anthropic")
        described = super().upstream(wire=wire, connection=connection)
        if wire is Wire.OPENAI_RESPONSES:
            return msgspec.structs.replace(described, url=f"{host}/responses")
        return described

    def read_error(self, *, wire: Wire, status: int, body: bytes) -> ErrorReading:
        """Errors mean the same in every wire."""
        return self._openai.read_error(wire=wire, status=status, body=body)


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `deepseek`."""
    register(DeepSeek())
