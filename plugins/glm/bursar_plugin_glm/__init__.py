"""Zhipu's GLM models: z.ai abroad, bigmodel.cn in China.

`prompt_tokens` include cached ones and `completion_tokens` thinking, which is on unless it is switched off;
`max_tokens` caps both. In a stream usage comes with the last choice, not in a chunk of its own. The paths have no
`/v1`. An error has HTTP's status and a code of the vendor's own, of which 429 alone stands for several. Sources:
docs.z.ai and docs.bigmodel.cn (api-code); recorded replies.

The option `region` of a connection says whose host it is, where the base URL is not given: `international` (z.ai, the
default) or `china` (bigmodel.cn). A key works at its own host alone.
"""

from collections.abc import Callable

from governance.plugin import ConnectionSettings, Provider, Upstream, Wire, hookimpl
from governance.plugin.openai_chat import ChatConventions, ErrorSigns, OpenAIChatProvider, StreamUsage
from governance.plugin.options import check_options, in_region

_HOME = "international"
_BASE_URLS = {_HOME: "https://api.z.ai/api/paas/v4", "china": "https://open.bigmodel.cn/api/paas/v4"}

_SIGNS = ErrorSigns(
    # Account inactive, gone, locked, in arrears, in violation; a day's, plan's, week's or month's allowance used up.
    exhausted=tuple(b'"%d"' % code for code in (1110, 1111, 1112, 1113, 1121, 1304, 1308, 1309, 1310, 1313)),
    # No such model, no permission, withdrawn, not in the subscription.
    own=tuple(b'"%d"' % code for code in (1211, 1220, 1221, 1222, 1311)),
    refused_statuses=frozenset({434, 435}),
)


class GLM(OpenAIChatProvider):
    """The base with what GLM's counts and codes mean, and its two hosts."""

    error_signs = _SIGNS

    def __init__(self) -> None:
        super().__init__(
            name="glm",
            title="Zhipu GLM (z.ai, bigmodel.cn)",
            default_base_url=_BASE_URLS[_HOME],
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
            maximum_fields=("max_tokens",),
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Find the host of the connection's region. Raises ConnectionInvalid."""
        check_options(connection, known={"region": tuple(_BASE_URLS)})
        return super().upstream(wire=wire, connection=in_region(connection, base_urls=_BASE_URLS, home=_HOME))


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `glm`."""
    register(GLM())
