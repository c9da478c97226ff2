"""Any server with the OpenAI chat wire: vLLM, Ollama, SGLang, llama.cpp, and vendors that offer this wire.

What its counts mean is an option of the connection, because servers with one wire differ:

- `output_includes_reasoning`: `yes` (default; as OpenAI) or `no` (`completion_tokens` leaves reasoning out, as xAI's
  chat wire does).
- `stream_usage`: `ask` (default; usage comes in a stream only when asked for) or `always`.
- `maximum_field`: `max_tokens` (default; every such server enforces it) or `max_completion_tokens`.
"""

from collections.abc import Callable

from governance.plugin import ConnectionSettings, Provider, Upstream, Wire, hookimpl
from governance.plugin.openai_audio import OpenAIAudioProvider
from governance.plugin.openai_chat import ChatConventions, StreamUsage
from governance.plugin.openai_embeddings import OpenAIEmbeddingsProvider
from governance.plugin.openai_images import OpenAIImagesProvider
from governance.plugin.options import check_options

_CHOICES = {
    "output_includes_reasoning": ("yes", "no"),
    "stream_usage": ("ask", "always"),
    "maximum_field": ("max_tokens", "max_completion_tokens"),
}


class OpenAICompatible(OpenAIEmbeddingsProvider, OpenAIImagesProvider, OpenAIAudioProvider):
    """The base with three options. Ollama and older servers ignore `max_completion_tokens`: it is no cap by default."""

    wires = OpenAIEmbeddingsProvider.wires | OpenAIImagesProvider.wires | OpenAIAudioProvider.wires

    def __init__(self) -> None:
        super().__init__(
            name="openai_compatible",
            title="OpenAI-compatible server",
            default_base_url="http://localhost:8000/v1",
            needs_credential=False,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
            maximum_fields=("max_tokens",),
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Check the options, then describe the server as the base does. Raises ConnectionInvalid."""
        check_options(connection, known=_CHOICES)
        return super().upstream(wire=wire, connection=connection)

    def conventions(self, connection: ConnectionSettings) -> ChatConventions:
        """Return what the connection's options say."""
        if not connection.options:
            return self._conventions
        return ChatConventions(
            input_includes_cache=True,
            output_includes_reasoning=connection.options.get("output_includes_reasoning", "yes") == "yes",
            stream_usage=StreamUsage(connection.options.get("stream_usage", "ask")),
        )

    def enforced_maximum_fields(self, connection: ConnectionSettings) -> tuple[str, ...]:
        """Return the one cap the connection's server is known to enforce."""
        return (connection.options.get("maximum_field", "max_tokens"),)


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `openai_compatible`."""
    register(OpenAICompatible())
