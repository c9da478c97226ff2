"""OpenAI itself: chat completions, Responses, embeddings, moderations, images and audio.

Facts from OpenAI's API reference and its Python package 3.54.0 (types of requests, usage and service tiers), and from
recorded replies. Options of a connection:

- `organization`, `project`: whom OpenAI is to charge, where the key alone does not say.
- `project_service_tier`: the tier that the project's settings give to requests which ask for `auto`, or for none.
- `wires`: `responses` for models that OpenAI serves by Responses alone, as its -pro and -codex models: then other
  wires' requests are translated into it, and not into chat.
"""

from collections.abc import Callable
from typing import Final

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
from governance.plugin.openai_audio import OpenAIAudioProvider
from governance.plugin.openai_background import OpenAIJobsProvider
from governance.plugin.openai_chat import ChatConventions, StreamUsage
from governance.plugin.openai_embeddings import OpenAIEmbeddingsProvider
from governance.plugin.openai_images import OpenAIImagesProvider
from governance.plugin.openai_moderations import OpenAIModerationsProvider
from governance.plugin.openai_responses import ResponsesConventions

PROJECT_TIER: Final = "project_service_tier"
WIRES: Final = "wires"
SERVICE_TIERS: Final = {
    "auto": (),
    "default": (),
    "flex": ("flex", "standard"),
    "priority": ("priority", "standard"),
    "fast": ("priority", "standard"),
    "ultrafast": ("ultrafast", "priority", "standard"),
}
"""What a request may ask for, and what it may be billed at: OpenAI may serve it at a lower tier. Scale, which is paid
for in advance, has no price per token and is not among them.
"""

_HEADERS: Final = {"organization": "openai-organization", "project": "openai-project"}
_PROJECT_TIERS: Final = ("default", "flex", "priority", "ultrafast")
_WIRES: Final = frozenset(
    {
        Wire.OPENAI_CHAT,
        Wire.OPENAI_RESPONSES,
        Wire.OPENAI_INPUT_TOKENS,
        Wire.OPENAI_EMBEDDINGS,
        Wire.OPENAI_MODERATIONS,
        Wire.OPENAI_IMAGES,
        Wire.OPENAI_IMAGE_EDITS,
        Wire.OPENAI_SPEECH,
        Wire.OPENAI_TRANSCRIPTIONS,
        Wire.OPENAI_TRANSLATIONS,
    }
)
_RESPONSES_ALONE: Final = frozenset({Wire.OPENAI_RESPONSES, Wire.OPENAI_INPUT_TOKENS})
_TIERED: Final = frozenset({Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES})


class OpenAI(
    OpenAIJobsProvider,
    OpenAIEmbeddingsProvider,
    OpenAIModerationsProvider,
    OpenAIImagesProvider,
    OpenAIAudioProvider,
):
    """The bases with what is OpenAI's own: whom it charges, and its service tiers."""

    wires = _WIRES
    responses_conventions = ResponsesConventions(input_includes_cache=True, output_includes_reasoning=True)

    def __init__(self) -> None:
        super().__init__(
            name="openai",
            title="OpenAI",
            default_base_url="https://api.openai.com/v1",
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
            service_tiers=SERVICE_TIERS,
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Check the options, and name whom OpenAI is to charge. Raises ConnectionInvalid."""
        _check_options(connection)
        upstream = super().upstream(wire=wire, connection=connection)
        own = tuple(
            (header, connection.options[option]) for option, header in _HEADERS.items() if option in connection.options
        )
        return msgspec.structs.replace(upstream, headers=(*upstream.headers, *own))

    def wires_of(self, *, connection: ConnectionSettings) -> frozenset[Wire]:
        """Leave chat out where the models of this connection do not speak it."""
        return _RESPONSES_ALONE if WIRES in connection.options else self.wires

    def bound(self, *, wire: Wire, connection: ConnectionSettings, fields: GoverningFields) -> Bound:
        """Bound it as the bases do, at the tier that the project's settings give where the request leaves it to them.
        Raises RequestUnbounded.
        """
        bound = super().bound(wire=wire, connection=connection, fields=fields)
        project_tier = connection.options.get(PROJECT_TIER)
        if project_tier is None or wire not in _TIERED or fields.service_tier not in (None, "auto"):
            return bound
        return msgspec.structs.replace(bound, service_tiers=SERVICE_TIERS[project_tier])


def _check_options(connection: ConnectionSettings) -> None:
    known = (*_HEADERS, PROJECT_TIER, WIRES)
    for option, text in connection.options.items():
        if option not in known:
            raise ConnectionInvalid(
                f"Connection {connection.name!r} has the unknown option {option!r}: use {', '.join(known)}."
            )
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ConnectionInvalid(
                f"Option {option!r} of connection {connection.name!r} must be as OpenAI spells it, without spaces."
            )
    if connection.options.get(WIRES, "responses") != "responses":
        raise ConnectionInvalid(
            f"Option {WIRES!r} of connection {connection.name!r} must be responses: leave it out for all wires."
        )
    tier = connection.options.get(PROJECT_TIER, "default")
    if tier not in _PROJECT_TIERS:
        raise ConnectionInvalid(
            f"Option {PROJECT_TIER!r} of connection {connection.name!r} must be {' or '.join(_PROJECT_TIERS)}."
        )


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `openai`."""
    register(OpenAI())
