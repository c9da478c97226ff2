"""The Anthropic messages wire: reading requests and usage, metering streams, batches, and provider bases for its
vendors.
"""

from governance.plugin.anthropic_messages._batch_provider import AnthropicBatchesProvider
from governance.plugin.anthropic_messages._meter import MessageStreamMeter
from governance.plugin.anthropic_messages._provider import DEFAULT_VERSION, AnthropicMessagesProvider, KeyHeader
from governance.plugin.anthropic_messages._request import (
    count_tokens_fields,
    messages_fields,
    read_count_tokens_request,
    read_messages_request,
)
from governance.plugin.anthropic_messages._usage import read_count_reply, read_messages_reply, tier_name

__all__ = [
    "DEFAULT_VERSION",
    "AnthropicBatchesProvider",
    "AnthropicMessagesProvider",
    "KeyHeader",
    "MessageStreamMeter",
    "count_tokens_fields",
    "messages_fields",
    "read_count_reply",
    "read_count_tokens_request",
    "read_messages_reply",
    "read_messages_request",
    "tier_name",
]
