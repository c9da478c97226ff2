"""Amazon Bedrock: Claude models by InvokeModel, those of other makers by its OpenAI-compatible chat completions.

The credential is a Bedrock API key, or AWS access keys, which sign each request (Signature Version 4), or get the
temporary keys of a role that do. Models are named as Bedrock names them: by their own id, that of a cross-region
inference profile (`us.`, `eu.`, `jp.`, `au.`, `apac.`, `us-gov.`, `global.`), or the ARN of an application inference
profile. Options of a connection:

- `region`: the AWS region that is asked, `us-east-1` without it. Another host (private, FIPS) is the base URL.
- `role`: the ARN of a role that the access keys assume; `external_id` and `sts` (the token service's address, where it
  is a private one) go with it.
- `api`: how Claude models are asked: `invoke` (InvokeModel, the default) or `messages` (the Messages API at Bedrock).

Sources: docs.aws.amazon.com/bedrock (API reference, API keys, cross-region inference, Chat Completions API, Anthropic
Messages API).
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from bursar_plugin_bedrock import counting
from bursar_plugin_bedrock.claude import Claude, is_invoked
from bursar_plugin_bedrock.credentials import access_keys
from bursar_plugin_bedrock.errors import anthropic_error, openai_error, read_error
from bursar_plugin_bedrock.events import MessageEvents
from bursar_plugin_bedrock.roles import ROLE_OPTIONS, role_grant, signer
from governance.plugin import (
    ConnectionInvalid,
    ConnectionSettings,
    ErrorReading,
    Provider,
    Splitter,
    TokenGrant,
    Upstream,
    Wire,
    hookimpl,
)
from governance.plugin.anthropic_messages import DEFAULT_VERSION
from governance.plugin.combined import CombinedProvider
from governance.plugin.openai_chat import ChatConventions, OpenAIChatProvider, StreamUsage, base_url
from governance.plugin.options import ANY_TEXT, check_options

_NAME: Final = "bedrock"
_TITLE: Final = "Amazon Bedrock"
_HOME: Final = "us-east-1"
_BASE_URL: Final = "https://bedrock-runtime.{region}.amazonaws.com"
_DEFAULT_BASE_URL: Final = _BASE_URL.format(region=_HOME)
_REGION: Final = re.compile(r"[a-z]{2,3}(?:-[a-z]+){1,3}-\d{1,2}")
_HOST: Final = re.compile(r"//(?:[a-z0-9-]+\.)?bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_CLAUDE: Final = re.compile(
    r"(?:[a-z-]+\.)?anthropic\.|arn:.*[:/](?:[a-z-]+\.)?anthropic\.|arn:.*application-inference-profile/"
)
_EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_APIS: Final = ("invoke", "messages")
_CONVENTIONS: Final = ChatConventions(
    input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
)


class Bedrock(CombinedProvider):
    """Two wires of two makers behind one host, one kind of credential and one kind of error."""

    def __init__(self) -> None:
        said: dict[str, Any] = {"name": _NAME, "title": _TITLE, "default_base_url": _DEFAULT_BASE_URL}
        super().__init__(
            Claude(**said, needs_credential=True),
            OpenAIChatProvider(**said, needs_credential=True, conventions=_CONVENTIONS),
        )

    def serves(self, *, wire: Wire, model: str) -> bool:
        """Claude models are served in Anthropic's wire, all others in OpenAI's. The ARN of an application's profile
        does not tell the maker: it is taken for a Claude model's, since the other API does not take such names.
        """
        return (wire in Claude.wires) == bool(_CLAUDE.match(model))

    def addressed(self, *, wire: Wire, model: str) -> str:
        """Counts know the models themselves, and no profiles of them."""
        return counting.base_model(model) if wire is Wire.ANTHROPIC_COUNT_TOKENS else model

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Find the host of the region, and authorise or leave that to the signature. Raises ConnectionInvalid."""
        check_options(connection, known={"region": ANY_TEXT, "api": _APIS, **dict.fromkeys(ROLE_OPTIONS, ANY_TEXT)})
        host = _host(connection)
        headers = [("content-type", "application/json")]
        keys = access_keys(connection)
        if keys is not None:
            signer()
        elif not connection.credential:
            raise ConnectionInvalid(
                f"Connection {connection.name!r} has no credential: {_TITLE} needs an API key or AWS access keys."
            )
        elif not connection.credential.isascii() or not connection.credential.isprintable():
            raise ConnectionInvalid(
                f"The credential of connection {connection.name!r} has characters that no header can carry: paste the "
                "API key alone, without spaces or line ends."
            )
        else:
            headers.append(("authorization", f"Bearer {connection.credential}"))
        described = Upstream(
            url=f"{host}/openai/v1/chat/completions",
            headers=tuple(headers),
            takes_client_headers=False,
            is_signed=keys is not None,
        )
        if wire is Wire.OPENAI_CHAT:
            return described
        is_count = wire is Wire.ANTHROPIC_COUNT_TOKENS
        if not is_invoked(connection, wire):
            return msgspec.structs.replace(
                described,
                url=f"{host}/anthropic/v1/messages{'/count_tokens' if is_count else ''}",
                headers=(*headers, ("anthropic-version", DEFAULT_VERSION)),
                takes_client_headers=True,
            )
        model = f"{host}/model/{{model}}"
        if is_count:
            return msgspec.structs.replace(described, url=f"{model}/count-tokens", is_enveloped=True)
        return msgspec.structs.replace(
            described, url=f"{model}/invoke", stream_url=f"{model}/invoke-with-response-stream"
        )

    def token_grant(self, *, connection: ConnectionSettings) -> TokenGrant | None:
        """Describe how the connection's role is assumed; None where it names none. Raises ConnectionInvalid."""
        return role_grant(connection, region=_region(connection))

    def signature(
        self, *, connection: ConnectionSettings, upstream: Upstream, body: bytes
    ) -> tuple[tuple[str, str], ...]:
        """Sign this request with the connection's access keys."""
        headers: tuple[tuple[str, str], ...] = signer().signature(
            access_keys(connection), service="bedrock", region=_region(connection), upstream=upstream, body=body
        )
        return headers

    def enveloped(self, *, wire: Wire, body: bytes) -> bytes:
        """Put the body of an InvokeModel whose tokens are to be counted into the question for them."""
        return counting.question(body)

    def opened(self, *, wire: Wire, body: bytes) -> bytes:
        """Say the count in Anthropic's words."""
        return counting.answer(body)

    def framing(self, *, wire: Wire, content_type: str) -> Splitter | None:
        """Return what reads the binary streams of InvokeModel."""
        return MessageEvents() if wire is Wire.ANTHROPIC_MESSAGES and content_type == _EVENT_STREAM else None

    def read_error(self, *, wire: Wire, status: int, body: bytes) -> ErrorReading:
        """Bedrock's errors are the same in both wires."""
        return read_error(status=status, body=body)

    def error_in_wire(self, *, wire: Wire, status: int, body: bytes) -> bytes:
        """Say an error of AWS's in the client's wire."""
        return (anthropic_error if wire in Claude.wires else openai_error)(status, body)


def _host(connection: ConnectionSettings) -> str:
    """Return the base URL without a path that the vendor's own has not. Raises ConnectionInvalid."""
    region = _region(connection)
    if connection.base_url.rstrip("/") == _DEFAULT_BASE_URL:
        return _BASE_URL.format(region=region)
    return base_url(connection, version="").rstrip("/")


def _region(connection: ConnectionSettings) -> str:
    """Return the region for which requests are signed. Raises ConnectionInvalid."""
    found = _HOST.search(connection.base_url)
    hosted = found[1] if found is not None and connection.base_url.rstrip("/") != _DEFAULT_BASE_URL else None
    region = connection.options.get("region", hosted or _HOME)
    if not _REGION.fullmatch(region):
        raise ConnectionInvalid(
            f"Option 'region' of connection {connection.name!r} must be a region of AWS, such as eu-central-1."
        )
    if hosted is not None and hosted != region:
        raise ConnectionInvalid(
            f"Connection {connection.name!r} has the region {region!r} and a host in {hosted!r}: leave one out."
        )
    return region


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `bedrock`."""
    register(Bedrock())
