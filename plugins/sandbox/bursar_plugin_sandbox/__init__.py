"""A pretend vendor: the provider that describes it. Its small server is `python -m bursar_plugin_sandbox`."""

from collections.abc import Callable

from bursar_plugin_sandbox.meter import SandboxMeter
from governance.plugin import ConnectionSettings, GoverningFields, Provider, StreamMeter, Wire, hookimpl
from governance.plugin.openai_chat import ChatConventions, OpenAIChatProvider, StreamUsage


class SandboxProvider(OpenAIChatProvider):
    """OpenAI's chat wire, with streams that may say early what the input was."""

    def stream_meter(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> StreamMeter:
        """Return a meter that knows the input from the first running count on."""
        return SandboxMeter(fields)


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `sandbox`."""
    register(
        SandboxProvider(
            name="sandbox",
            title="Sandbox (a pretend vendor)",
            default_base_url="http://127.0.0.1:8089/v1",
            needs_credential=False,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
        )
    )
