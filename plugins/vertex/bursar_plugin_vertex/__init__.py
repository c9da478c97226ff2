"""Gemini models on Google Cloud's Vertex AI, authorised by a service account.

The wire is Gemini's; the address names project and location; `trafficType` in the usage says at which tier a request
was billed. A service account's key signs an assertion, for which Google gives an access token of an hour. Sources:
https://docs.cloud.google.com/vertex-ai/generative-ai/docs (REST), recorded replies, and
https://developers.google.com/identity/protocols/oauth2/service-account.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from governance.plugin import (
    Assertion,
    ConnectionInvalid,
    ConnectionSettings,
    GoverningFields,
    Provider,
    TokenGrant,
    Upstream,
    Wire,
    hookimpl,
    signed_assertion,
)
from governance.plugin.gemini import GeminiProvider
from governance.plugin.splicing import Members

_BASE_URL: Final = "https://aiplatform.googleapis.com"
_GLOBAL: Final = "global"
_TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_COUNTED: Final = frozenset(
    {"contents", "systemInstruction", "system_instruction", "tools", "generationConfig", "generation_config"}
)
"""What a question for a count may hold here (REST reference, `countTokens`)."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9:.-]{0,62}")


class _KeyFile(msgspec.Struct):
    """What of a service account's key file is needed. Its own `token_uri` is not believed: the key would go there."""

    type: str
    client_email: str
    private_key: str
    private_key_id: str = ""


_key_file = msgspec.json.Decoder(_KeyFile)


class Vertex(GeminiProvider):
    """The base with Google Cloud's addresses and tokens."""

    wires = GeminiProvider.wires - {Wire.GEMINI_BATCH_EMBED}
    known_options = ("project", "location")
    version = "v1"

    def __init__(self) -> None:
        super().__init__(name="vertex", title="Google Vertex AI", default_base_url=_BASE_URL)

    def authorisation(self, connection: ConnectionSettings) -> tuple[str, str]:
        """Return the header that carries the access token."""
        return "authorization", f"Bearer {connection.credential}"

    def token_grant(self, *, connection: ConnectionSettings) -> TokenGrant | None:
        """Describe the exchange of the service account's key. Raises ConnectionInvalid, without repeating it."""
        try:
            key = _key_file.decode(connection.credential)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConnectionInvalid(
                f"The credential of connection {connection.name!r} is no key file of a service account: paste the "
                "whole JSON file that Google Cloud gave when the key was made."
            ) from error
        if key.type != "service_account":
            raise ConnectionInvalid(
                f"The credential of connection {connection.name!r} is of the type {key.type[:40]!r}: it must be a "
                "service account's key file."
            )
        claims = {"iss": key.client_email, "scope": _SCOPE, "aud": _TOKEN_URL}
        return signed_assertion(
            url=_TOKEN_URL,
            assertion=Assertion(claims=claims, private_key=key.private_key, key_id=key.private_key_id),
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Put project and location into the address. Raises ConnectionInvalid."""
        project = _name(connection, "project", connection.options.get("project", ""))
        location = _name(connection, "location", connection.options.get("location", _GLOBAL))
        if connection.base_url.rstrip("/") == _BASE_URL and location != _GLOBAL:
            regional = f"https://{location}-aiplatform.googleapis.com"
            connection = msgspec.structs.replace(connection, base_url=regional)
        described = super().upstream(wire=wire, connection=connection)
        place = f"/projects/{project}/locations/{location}/publishers/google/models/"
        return msgspec.structs.replace(
            described,
            url=described.url.replace("/models/", place, 1),
            stream_url=described.stream_url.replace("/models/", place, 1),
        )

    def body_edits(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> dict[str, object]:
        """Take the request that is to be counted out of the wrapping that only Gemini's own API has."""
        wrapping = next((name for name in fields.holders if name != "model"), None)
        if wire is not Wire.GEMINI_COUNT_TOKENS or wrapping is None:
            return super().body_edits(wire=wire, connection=connection, fields=fields)
        wrapped = Members(fields.holders[wrapping]).values
        return {wrapping: msgspec.UNSET, **{name: raw for name, raw in wrapped.items() if name in _COUNTED}}


def _name(connection: ConnectionSettings, option: str, text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ConnectionInvalid(
            f"Connection {connection.name!r} needs the option {option!r}: letters, digits and hyphens, as Google Cloud "
            "shows it."
        )
    return text


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `vertex`."""
    register(Vertex())
