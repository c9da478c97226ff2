"""A pretend vendor: the provider that describes it. Its small server is `python -m bursar_plugin_sandbox`."""

from collections.abc import Callable

from governance.plugin import Provider, hookimpl
from governance.plugin.openai_chat import ChatConventions, OpenAIChatProvider, StreamUsage


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `sandbox`."""
    register(
        OpenAIChatProvider(
            name="sandbox",
            title="Sandbox (a pretend vendor)",
            default_base_url="http://127.0.0.1:8089/v1",
            needs_credential=False,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
        )
    )
