"""What one attempt used, in one convention for every vendor."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from msgspec.structs import asdict, astuple

from governance.plugin.errors import UsageUnreadable

MAX_COUNT = 2**40
"""No vendor reports more than this many tokens or calls for one attempt; a larger number is a broken report."""

LONGEST_TOKEN_BYTES = 128
"""No token of a known vocabulary is longer: the longest, in o200k, is a run of 128 spaces."""


class TokenClass(StrEnum):
    """What is priced. The classes are disjoint: a token is counted in exactly one of them."""

    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_READ_EXPLICIT = "cache_read_explicit"
    """A hit in a cache that the request itself asked for, where that has a price of its own (Qwen)."""
    CACHE_WRITE = "cache_write"
    CACHE_WRITE_LONG = "cache_write_long"
    INPUT_AUDIO = "input_audio"
    INPUT_IMAGE = "input_image"
    OUTPUT = "output"
    REASONING = "reasoning"
    OUTPUT_AUDIO = "output_audio"
    OUTPUT_IMAGE = "output_image"
    REQUEST = "request"
    WEB_SEARCH = "web_search"
    UNKNOWN = "unknown"
    """Not reported by a vendor and never priced: a cost somebody settled by name."""

    # Enum's own is written in Python and counts where classes are keys; this one fits the equality of a str as well.
    __hash__ = str.__hash__


INPUT_CLASSES = frozenset(
    {
        TokenClass.INPUT,
        TokenClass.CACHE_READ,
        TokenClass.CACHE_READ_EXPLICIT,
        TokenClass.CACHE_WRITE,
        TokenClass.CACHE_WRITE_LONG,
        TokenClass.INPUT_AUDIO,
        TokenClass.INPUT_IMAGE,
    }
)
OUTPUT_CLASSES = frozenset({TokenClass.OUTPUT, TokenClass.REASONING, TokenClass.OUTPUT_AUDIO, TokenClass.OUTPUT_IMAGE})


_COUNTED = tuple(token_class for token_class in TokenClass if token_class is not TokenClass.UNKNOWN)
"""In the order in which `Usage.counts` counts them."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one attempt, named as OpenTelemetry's gen_ai conventions name them.

    `input_tokens` includes every cached, audio and image input token; `output_tokens` includes reasoning, audio and
    image output tokens. The other fields are parts of those two totals. `web_search_calls` counts calls, not tokens.
    A plugin declares what its vendor reports by how it builds this object; there is no default convention.
    """

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_read_explicit_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    cache_write_long_input_tokens: int = 0
    audio_input_tokens: int = 0
    image_input_tokens: int = 0
    reasoning_output_tokens: int = 0
    audio_output_tokens: int = 0
    image_output_tokens: int = 0
    web_search_calls: int = 0

    def __post_init__(self) -> None:
        for count in astuple(self):
            if type(count) is not int or not 0 <= count <= MAX_COUNT:
                raise UsageUnreadable(f"The vendor reported a count of {count!r}, which is not one: {asdict(self)}.")

    def counts(self) -> dict[TokenClass, int]:
        """Return the disjoint counts. Where details exceed their total (seen at OpenRouter), the details win."""
        explicit, long = self.cache_read_explicit_input_tokens, self.cache_write_long_input_tokens
        read, short = self.cache_read_input_tokens - explicit, self.cache_write_input_tokens - long
        read, short = read if read > 0 else 0, short if short > 0 else 0
        plain_input = self.input_tokens - (
            read + explicit + short + long + self.audio_input_tokens + self.image_input_tokens
        )
        plain_output = self.output_tokens - (
            self.reasoning_output_tokens + self.audio_output_tokens + self.image_output_tokens
        )
        counts = (
            plain_input if plain_input > 0 else 0,
            read,
            explicit,
            short,
            long,
            self.audio_input_tokens,
            self.image_input_tokens,
            plain_output if plain_output > 0 else 0,
            self.reasoning_output_tokens,
            self.audio_output_tokens,
            self.image_output_tokens,
            1,
            self.web_search_calls,
        )
        return dict(zip(_COUNTED, counts, strict=True))


def usage_of(counts: Mapping[TokenClass, int]) -> Usage:
    """Return the usage whose `counts()` are these. A missing class counts as zero; REQUEST is always one."""
    count = {token_class: counts.get(token_class, 0) for token_class in TokenClass}
    return Usage(
        input_tokens=sum(count[token_class] for token_class in INPUT_CLASSES),
        output_tokens=sum(count[token_class] for token_class in OUTPUT_CLASSES),
        cache_read_input_tokens=count[TokenClass.CACHE_READ] + count[TokenClass.CACHE_READ_EXPLICIT],
        cache_read_explicit_input_tokens=count[TokenClass.CACHE_READ_EXPLICIT],
        cache_write_input_tokens=count[TokenClass.CACHE_WRITE] + count[TokenClass.CACHE_WRITE_LONG],
        cache_write_long_input_tokens=count[TokenClass.CACHE_WRITE_LONG],
        audio_input_tokens=count[TokenClass.INPUT_AUDIO],
        image_input_tokens=count[TokenClass.INPUT_IMAGE],
        reasoning_output_tokens=count[TokenClass.REASONING],
        audio_output_tokens=count[TokenClass.OUTPUT_AUDIO],
        image_output_tokens=count[TokenClass.OUTPUT_IMAGE],
        web_search_calls=count[TokenClass.WEB_SEARCH],
    )


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor said about one attempt.

    `served_model` is the model the vendor says it ran; `service_tier` the tier it says it billed. `raw` is the
    vendor's own usage object as JSON bytes, kept for audits. `vendor_cost` is the cost in USD as the vendor's decimal
    string, where it reports one. `visible_output_bytes` is how much output the reply shows, as JSON spells it; 0 where
    nobody counted.
    """

    usage: Usage
    raw: bytes
    served_model: str | None = None
    service_tier: str | None = None
    vendor_cost: str | None = None
    visible_output_bytes: int = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether the reply shows more output than the tokens reported for it can spell."""
        return self.visible_output_bytes > self.usage.output_tokens * LONGEST_TOKEN_BYTES
