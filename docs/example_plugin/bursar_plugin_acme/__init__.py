"""Acme Labs: a vendor that does not exist, and the smallest whole provider."""

from collections.abc import Callable, Sequence

from governance.plugin import Candidate, ConnectionSettings, Provider, RoutingStrategy, Upstream, Wire, hookimpl
from governance.plugin.openai_chat import ChatConventions, OpenAIChatProvider, StreamUsage


class Acme(OpenAIChatProvider):
    """OpenAI's chat wire with Acme's own header for the key. What its counts mean is what Acme's pages say."""

    def __init__(self) -> None:
        super().__init__(
            name="acme",
            title="Acme Labs",
            default_base_url="https://api.acme.example/v1",
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=False, stream_usage=StreamUsage.ALWAYS
            ),
            maximum_fields=("max_tokens",),
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Check the connection as the base does, then put the key where Acme wants it. Raises ConnectionInvalid."""
        described = super().upstream(wire=wire, connection=connection)
        headers = [header for header in described.headers if header[0] != "authorization"]
        return Upstream(url=described.url, headers=(*headers, ("acme-api-key", connection.credential)))


class AcmeFirst:
    """Acme's deployments before all others, which stay as they stand."""

    name = "acme_first"
    title = "Acme first"

    def order(self, candidates: Sequence[Candidate], *, alias: str, chance: Callable[[], float]) -> Sequence[Candidate]:
        """See RoutingStrategy."""
        return sorted(candidates, key=lambda candidate: candidate.provider != "acme")


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `acme`."""
    register(Acme())


@hookimpl
def bursar_routing_strategies(register: Callable[[RoutingStrategy], None]) -> None:
    """Offer the strategy `acme_first`."""
    register(AcmeFirst())
