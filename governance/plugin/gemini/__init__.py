"""The Gemini wires: reading requests and usage, metering streams, and a provider base for vendors that speak them."""

from governance.plugin.gemini._embed import batch_embed_fields, embed_fields
from governance.plugin.gemini._meter import GeminiStreamMeter
from governance.plugin.gemini._provider import GeminiProvider
from governance.plugin.gemini._rename import renamed
from governance.plugin.gemini._request import count_fields, generate_fields, read_generate_request
from governance.plugin.gemini._usage import read_reply, read_usage

__all__ = [
    "GeminiProvider",
    "GeminiStreamMeter",
    "batch_embed_fields",
    "count_fields",
    "embed_fields",
    "generate_fields",
    "read_generate_request",
    "read_reply",
    "read_usage",
    "renamed",
]
