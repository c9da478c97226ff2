"""Zhipu's GLM models: z.ai abroad, bigmodel.cn in China, on the chat wire and on an Anthropic-compatible one.

`prompt_tokens` include cached ones and `completion_tokens` thinking, which is on unless it is switched off;
`max_tokens` caps both. In a stream usage comes with the last choice, not in a chunk of its own. The paths have no
`/v1`. An error has HTTP's status and a code of the vendor's own, of which 429 alone stands for several. In Anthropic's
wire the first event of a stream says that the input was nothing, and only the last one what it was. Sources: docs.z.ai
and docs.bigmodel.cn (api-code); recorded replies; github.com/zai-org/GLM-5, issue 139 of 2026-09-01.

The option `region` of a connection says whose host it is, where the base URL is not given: `international` (z.ai, the
default) or `china` (bigmodel.cn). A key works at its own host alone.
"""

import re
from collections.abc import Callable

import msgspec

from governance.plugin import ConnectionSettings, ErrorReading, Provider, Upstream, Wire, hookimpl
from governance.plugin.anthropic_messages import AnthropicMessagesProvider
from governance.plugin.combined import CombinedProvider
from governance.plugin.openai_chat import ChatConventions, ErrorSigns, OpenAIChatProvider, StreamUsage, base_url
from governance.plugin.options import check_options, in_region

_NAME = "glm"
_TITLE = "Zhipu GLM (z.ai, bigmodel.cn)"
_HOME = "international"
_OWN_PATH = re.compile(r"/api(?:/coding)?/paas/v4$")
_BASE_URLS = {_HOME: "https://api.z.ai/api/paas/v4", "china": "https://open.bigmodel.cn/api/paas/v4"}

_SIGNS = ErrorSigns(
    # Account inactive, gone, locked, in arrears, in violation; a day's, plan's, week's or month's allowance used up.
    exhausted=tuple(b'"%d"' % code for code in (1110, 1111, 1112, 1113, 1121, 1304, 1308, 1309, 1310, 1313)),
    # No such model, no permission, withdrawn, not in the subscription.
    own=tuple(b'"%d"' % code for code in (1211, 1220, 1221, 1222, 1311)),
    refused_statuses=frozenset({434, 435}),
)


class _Chat(OpenAIChatProvider):
    """The base with what GLM's counts and codes mean."""

    error_signs = _SIGNS

    def __init__(self) -> None:
        super().__init__(
            name=_NAME,
            title=_TITLE,
            default_base_url=_BASE_URLS[_HOME],
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
            maximum_fields=("max_tokens",),
        )


class _Messages(AnthropicMessagesProvider):
    """The base, with images refused: how many tokens one is does not stand on the vendor's pages."""

    wires = frozenset({Wire.ANTHROPIC_MESSAGES})
    tells_input_at_once = False
    bounds_images = False

    def __init__(self) -> None:
        super().__init__(name=_NAME, title=_TITLE, default_base_url=_BASE_URLS[_HOME], needs_credential=True)


class GLM(CombinedProvider):
    """Two wires at two hosts: `/api/paas/v4` and, beside it, `/api/anthropic`."""

    def __init__(self) -> None:
        self._chat = _Chat()
        super().__init__(self._chat, _Messages())

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Find the host of the connection's region. Raises ConnectionInvalid."""
        check_options(connection, known={"region": tuple(_BASE_URLS)})
        connection = in_region(connection, base_urls=_BASE_URLS, home=_HOME)
        if wire is Wire.ANTHROPIC_MESSAGES:
            base = _OWN_PATH.sub("/api", base_url(connection, version="").rstrip("/"))
            connection = msgspec.structs.replace(connection, base_url=f"{base}/anthropic")
        return super().upstream(wire=wire, connection=connection)

    def read_error(self, *, wire: Wire, status: int, body: bytes) -> ErrorReading:
        """The vendor's codes mean the same in both wires."""
        return self._chat.read_error(wire=wire, status=status, body=body)


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `glm`."""
    register(GLM())
