"""Usage as the Gemini wire shows it: thoughts are beside the candidates' tokens, tool results beside the prompt's."""

import msgspec

from governance.gateway.translation.reading import counted
from governance.plugin.errors import UsageUnreadable
from governance.plugin.usage import Usage


class _Usage(msgspec.Struct, rename="camel"):
    """A count of zero is left out."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0


_usage = msgspec.json.Decoder(_Usage | None)


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """Return the counts of a `usageMetadata` object for the client's eyes; None where there are none to be believed."""
    reported = counted(raw, _usage)
    if reported is None:
        return None
    try:
        return Usage(
            input_tokens=reported.prompt_token_count + reported.tool_use_prompt_token_count,
            output_tokens=reported.candidates_token_count + reported.thoughts_token_count,
            cache_read_input_tokens=reported.cached_content_token_count,
            reasoning_output_tokens=reported.thoughts_token_count,
        )
    except UsageUnreadable:
        return None


def write_usage(usage: Usage) -> dict[str, object]:
    """Return the `usageMetadata` object."""
    counts = {
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cache_read_input_tokens,
        "candidatesTokenCount": max(0, usage.output_tokens - usage.reasoning_output_tokens),
        "thoughtsTokenCount": usage.reasoning_output_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    return {name: count for name, count in counts.items() if count}
