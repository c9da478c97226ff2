"""Qwen: Alibaba Cloud Model Studio (DashScope) in its OpenAI-compatible mode.

`prompt_tokens` include cached ones. A hit in a cache that the request asked for (`cache_type` is `ephemeral`) has a
price of its own; both modes exclude each other within a request. `completion_tokens` include thinking. Of older
models `max_tokens` caps the answer alone, `max_completion_tokens` thinking and answer. Usage comes in a stream only
when asked for, in a chunk without choices. Sources: alibabacloud.com/help/en/model-studio (context-cache, error-code,
api-compatibility-upgrade-notice of 2026-11-02); recorded replies.

The option `region` of a connection says whose host it is, where the base URL is not given: `international`
(Singapore, the default), `us` (Virginia), `china` (Beijing) or `hong_kong`. A key works in its region alone.
"""

from collections.abc import Callable

from governance.plugin import ConnectionSettings, Provider, Upstream, Wire, hookimpl
from governance.plugin.openai_chat import ChatConventions, ErrorSigns, StreamUsage
from governance.plugin.openai_embeddings import OpenAIEmbeddingsProvider
from governance.plugin.options import check_options, in_region

_HOME = "international"
_BASE_URLS = {
    region: f"https://{host}/compatible-mode/v1"
    for region, host in {
        _HOME: "dashscope-intl.aliyuncs.com",
        "us": "dashscope-us.aliyuncs.com",
        "china": "dashscope.aliyuncs.com",
        "hong_kong": "cn-hongkong.dashscope.aliyuncs.com",
    }.items()
}

_SIGNS = ErrorSigns(
    exhausted=(
        b"Arrearage",
        b"FreeTierOnly",
        b"hour allocated quota",
        b"week allocated quota",
        b"month allocated quota",
    ),
    passing=(b"Throttling", b"insufficient_quota", b"limit_requests", b"limit_burst_rate"),
    own=(b"model_not_found", b"ModelNotFound", b"AccessDenied", b"invalid_api_key", b"InvalidApiKey"),
)
"""Overdue payment is 400 or 403; `insufficient_quota` is not an empty balance here, but tokens per minute."""


class Qwen(OpenAIEmbeddingsProvider):
    """The base with what Model Studio's counts and caps mean, and its hosts."""

    error_signs = _SIGNS

    def __init__(self) -> None:
        super().__init__(
            name="qwen",
            title="Alibaba Cloud Model Studio (Qwen)",
            default_base_url=_BASE_URLS[_HOME],
            needs_credential=True,
            conventions=ChatConventions(
                input_includes_cache=True, output_includes_reasoning=True, stream_usage=StreamUsage.ASK
            ),
            maximum_fields=("max_completion_tokens",),
        )

    def upstream(self, *, wire: Wire, connection: ConnectionSettings) -> Upstream:
        """Find the host of the connection's region. Raises ConnectionInvalid."""
        check_options(connection, known={"region": tuple(_BASE_URLS)})
        return super().upstream(wire=wire, connection=in_region(connection, base_urls=_BASE_URLS, home=_HOME))


@hookimpl
def bursar_providers(register: Callable[[Provider], None]) -> None:
    """Offer the provider `qwen`."""
    register(Qwen())
