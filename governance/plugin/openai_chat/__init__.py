"""The OpenAI chat wire: reading requests and usage, metering streams, and a provider base for vendors that speak it."""

from governance.plugin.openai_chat._errors import KNOWN_SIGNS, ErrorSigns
from governance.plugin.openai_chat._images import ShownMedia
from governance.plugin.openai_chat._meter import ChatStreamMeter
from governance.plugin.openai_chat._provider import ChatConventions, OpenAIChatProvider, StreamUsage, base_url
from governance.plugin.openai_chat._request import chat_fields, read_chat_request
from governance.plugin.openai_chat._usage import read_chat_reply, read_chat_usage
from governance.plugin.splicing import Members, splice

__all__ = [
    "KNOWN_SIGNS",
    "ChatConventions",
    "ChatStreamMeter",
    "ErrorSigns",
    "Members",
    "OpenAIChatProvider",
    "ShownMedia",
    "StreamUsage",
    "base_url",
    "chat_fields",
    "read_chat_reply",
    "read_chat_request",
    "read_chat_usage",
    "splice",
]
