"""Azure OpenAI (Microsoft Foundry), on the v1 API of a resource.

Counts are OpenAI's. `model` is the name of a deployment, free text: what was served stands in the reply alone. The
first event of a stream may have no choices and no usage (`prompt_filter_results`), and late ones no delta. Sources:
learn.microsoft.com/azure/foundry/openai (v1 API, priority-processing); recorded replies.

The base URL is the resource's: `https://NAME.openai.azure.com` gets `/openai/v1`. The option `processing` of a
connection says how its deployments answer requests that name no tier: `standard` (the default), or `priority` where
they are set to priority processing, which costs more and may come back as standard.

The credential is a resource's key; with the options `tenant` and `client_id` it is the secret of an application in
Entra, which is exchanged for tokens (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from governance.plugin import (
    Bound,
    ConnectionInvalid,
    ConnectionSettings,
    GoverningFields,
    Provider,
    TokenGrant,
    Upstream,
    Wire,
    client_credentials,
    hookimpl,
)
from governance.plugin.openai_audio import OpenAIAudioProvider
from governance.plugin.openai_background import OpenAIJobsProvider
from governance.plugin.openai_chat import ChatConventions, ErrorSigns, StreamUsage
from governance.plugin.openai_embeddings import OpenAIEmbeddingsProvider
from governance.plugin.openai_images import OpenAIImagesProvider
from governance.plugin.openai_responses import ResponsesConventions
from governance.plugin.options import ANY_TEXT, check_options

_KEY_HEADER = "api-key"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}")
_PRIORITY = ("standard", "priority")
_WIRES = frozenset(
    {
        Wire.OPENAI_CHAT,
        Wire.OPENAI_RESPONSES,
        Wire.OPENAI_EMBEDDINGS,
        Wire.OPENAI_IMAGES,
        Wire.OPENAI_IMAGE_EDITS,
        Wire.OPENAI_SPEECH,
        Wire.OPENAI_TRANSCRIPTIONS,
        Wire.OPENAI_TRANSLATIONS,
    }
)
_TIERED = frozenset({Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES})
_SIGNS = ErrorSigns(
    exhausted=(b"insufficient_quota", b"quota exceeded", b"Quota exceeded"),
    own=(b"DeploymentNotFound", b"model_not_found", b"OperationNotSupported"),
)
"""Azure's API management answers 403 where a quota is used up and 429 where a rate is."""


class AzureOpenAI(OpenAIJobsProvider, OpenAIEmbeddingsProvider, OpenAIImagesProvider, OpenAIAudioProvider):
    """The base with a resource's URL, Azure's header for keys, and what its deployments' processing costs."""

    wires = _WIRES
    error_signs = _SIGNS
    responses_conventions = ResponsesConventions(input_includes_cache=True, output_includes_reasoning=True)

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
        return (_KEY_HEADER, credential)

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Complete the resource's URL. Raises ConnectionInvalid."""
        check_options(connection, known={"processing": _PRIORITY, "tenant": ANY_TEXT, "client_id": ANY_TEXT})
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
        described = super().upstream(wire=wire, connection=connection)
        if "tenant" not in connection.options:
            return described
        headers = [header for header in described.headers if header[0] != _KEY_HEADER]
        return msgspec.structs.replace(
            described, headers=(*headers, ("authorization", f"Bearer {connection.credential}"))
        )

    def token_grant(self, *, connection: ConnectionSettings) -> TokenGrant | None:
        """Describe the exchange of an application's secret at Entra; None for a resource's key. Raises
        ConnectionInvalid.
        """
        tenant, client_id = connection.options.get("tenant", ""), connection.options.get("client_id", "")
        if not tenant and not client_id:
            return None
        if not _ID.fullmatch(tenant) or not _ID.fullmatch(client_id):
            raise ConnectionInvalid(
                f"Connection {connection.name!r} needs both options 'tenant' and 'client_id', as Entra shows them, or "
                "neither."
            )
        return client_credentials(
            url=f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
            client_id=client_id,
            client_secret=connection.credential,
            scope="https://cognitiveservices.azure.com/.default",
        )

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound a request as the base does, at every tier that the deployments may bill. Raises RequestUnbounded."""
        bound = super().bound(wire=wire, connection=connection, fields=fields)
        is_theirs_to_say = fields.service_tier in (None, "auto") and wire in _TIERED
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
