"""The Responses wire: reading requests and usage, metering streams, and a provider base for vendors that speak it."""

from governance.plugin.openai_responses._meter import ResponsesStreamMeter
from governance.plugin.openai_responses._provider import OpenAIResponsesProvider, ResponsesConventions
from governance.plugin.openai_responses._request import input_tokens_fields, read_responses_request, responses_fields
from governance.plugin.openai_responses._usage import read_response

__all__ = [
    "OpenAIResponsesProvider",
    "ResponsesConventions",
    "ResponsesStreamMeter",
    "input_tokens_fields",
    "read_response",
    "read_responses_request",
    "responses_fields",
]
