"""xAI (Grok) on the chat and Responses wires, and its images, which are priced whole (its edits take another body).

`prompt_tokens` include cached ones, but `completion_tokens` leave reasoning out: `reasoning_tokens` are billed beside
them. (On xAI's Responses wire they are inside.) Every reply says what it cost in ticks of 1e-10 USD. A request may
ask for the tier `priority`, and the reply says whether it got it. Sources: docs.x.ai (cost-tracking,
priority-processing, debugging); recorded replies, whose ticks are what these conventions come to.
"""

from collections.abc import Callable

from governance.plugin import ConnectionSettings, Provider, Upstream, Wire, hookimpl
from governance.plugin.openai_chat import ChatConventions, ErrorSigns, StreamUsage
from governance.plugin.openai_images import OpenAIImagesProvider
from governance.plugin.openai_responses import OpenAIResponsesProvider, ResponsesConventions
from governance.plugin.options import check_options

_SIGNS = ErrorSigns(
    exhausted=(b"used all available credits", b"monthly spending limit"),
    own=(b"Incorrect API key", b"does not exist"),
    billed=(b"usage guidelines", b"Usage Guidelines", b"SAFETY_CHECK"),
)
"""An empty balance is 403 or 429, a wrong key 400. What violates the usage guidelines may be charged a fee."""


class XAI(OpenAIResponsesProvider, OpenAIImagesProvider):
    """The base with what xAI's counts, caps and tiers mean.

    `max_completion_tokens` caps visible output and reasoning together; `max_tokens` is not known to. Some models put a
    prompt of their own before each conversation and bill it, of which about 700 tokens were seen.
    """

    wires = frozenset({Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, Wire.OPENAI_IMAGES})
    error_signs = _SIGNS
    responses_conventions = ResponsesConventions(input_includes_cache=True, output_includes_reasoning=True)
    preamble_tokens = 2048

    def __init__(self) -> None:
        super().__init__(
            name="xai",
            title="xAI",
            default_base_url="https://api.x.ai/v1",
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=False, stream_usage=StreamUsage.ASK
            ),
            maximum_fields=("max_completion_tokens",),
            service_tiers={"default": (), "priority": ("standard", "priority")},
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Refuse options, then describe the server as the base does. Raises ConnectionInvalid."""
        check_options(connection, known={})
        return super().upstream(wire=wire, connection=connection)


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `xai`."""
    register(XAI())
