"""Azure OpenAI (Microsoft Foundry), on the v1 API of a resource.

Counts are OpenAI's. `model` is the name of a deployment, free text: what was served stands in the reply alone. The
first event of a stream may have no choices and no usage (`prompt_filter_results`), and late ones no delta. Sources:
learn.microsoft.com/azure/foundry/openai (v1 API, priority-processing); recorded replies.

The base URL is the resource's: `https://NAME.openai.azure.com` gets `/openai/v1`. The option `processing` of a
connection says how its deployments answer requests that name no tier: `standard` (the default), or `priority` where
they are set to priority processing, which costs more and may come back as standard.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from governance.plugin import (
    Bound,
    ConnectionInvalid,
    ConnectionSettings,
    GoverningFields,
    Provider,
    Upstream,
    Wire,
    hookimpl,
)
from governance.plugin.openai_chat import ChatConventions, ErrorSigns, OpenAIChatProvider, StreamUsage
from governance.plugin.options import check_options

_PRIORITY = ("standard", "priority")
_SIGNS = ErrorSigns(
    exhausted=(b"insufficient_quota", b"quota exceeded", b"Quota exceeded"),
    own=(b"DeploymentNotFound", b"model_not_found", b"OperationNotSupported"),
)
"""Azure's API management answers 403 where a quota is used up and 429 where a rate is."""


class AzureOpenAI(OpenAIChatProvider):
    """The base with a resource's URL, Azure's header for keys, and what its deployments' processing costs."""

    error_signs = _SIGNS

    def __init__(self) -> None:
        super().__init__(
            name="azure_openai",
            title="Azure OpenAI",
            default_base_url="",
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
            service_tiers={"auto": (), "default": (), "priority": _PRIORITY},
        )

    def authorisation(self, credential: str) -> tuple[str, str]:
        """Return the header for a resource's key."""
        return ("api-key", credential)

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Complete the resource's URL. Raises ConnectionInvalid."""
        check_options(connection, known={"processing": _PRIORITY})
        if not connection.base_url:
            raise ConnectionInvalid(
                f"Connection {connection.name!r} has no base URL: give the resource's, such as "
                "https://NAME.openai.azure.com."
            )
        path = _path(connection)
        if "deployments" in path.split("/"):
            raise ConnectionInvalid(
                f"The base URL of connection {connection.name!r} names a deployment: give the resource's alone, such "
                "as https://NAME.openai.azure.com, and the deployment as the model's name there."
            )
        if not path:
            connection = msgspec.structs.replace(connection, base_url=f"{connection.base_url.rstrip('/')}/openai/v1")
        return super().upstream(wire=wire, connection=connection)

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound a request as the base does, at every tier that the deployments may bill. Raises RequestUnbounded."""
        bound = super().bound(wire=wire, connection=connection, fields=fields)
        is_theirs_to_say = fields.service_tier in (None, "auto")
        if is_theirs_to_say and connection.options.get("processing") == "priority":
            return msgspec.structs.replace(bound, service_tiers=_PRIORITY)
        return bound


def _path(connection: ConnectionSettings) -> str:
    try:
        return urlsplit(connection.base_url).path.strip("/")
    except ValueError:
        return ""


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `azure_openai`."""
    register(AzureOpenAI())
