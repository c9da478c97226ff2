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
    IMAGE = "image"
    """An image that was made, where a vendor prices it whole and not by its tokens."""
    CHARACTER = "character"
    """A character of text to be spoken."""
    AUDIO_SECOND = "audio_second"
    """A second of audio to be written down."""
    UNKNOWN = "unknown"
    """Not reported by a vendor and never priced: a cost somebody settled by name."""
    OWN_ACCOUNT = "own_account"
    """Not reported either: takes off what the vendor charges the team's own account, and not the organisation's."""
    FROM_CACHE = "from_cache"
    """Takes off what the same answer cost when a vendor gave it: this time it came from Bursar's cache."""

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
UNIT_CLASSES = frozenset({TokenClass.IMAGE, TokenClass.CHARACTER, TokenClass.AUDIO_SECOND})
"""What media are priced by beside tokens."""


TAKEN_OFF = frozenset({TokenClass.OWN_ACCOUNT, TokenClass.FROM_CACHE})
"""Their lines are negative: with one of them an attempt costs nothing, and its other lines say what it would have."""
UNPRICED = TAKEN_OFF | {TokenClass.UNKNOWN}

_COUNTED = tuple(token_class for token_class in TokenClass if token_class not in UNPRICED | UNIT_CLASSES)
"""In the order in which `Usage.counts` counts them."""


class MediaUnits(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt used of media that are priced by the piece: images made, characters spoken, and begun seconds of
    audio written down.
    """

    images: int = 0
    characters: int = 0
    audio_seconds: int = 0

    def __post_init__(self) -> None:
        for count in astuple(self):
            if type(count) is not int or not 0 <= count <= MAX_COUNT:
                raise _no_count(self, count)

    def counts(self) -> dict[TokenClass, int]:
        """Return the counts by class."""
        return {
            TokenClass.IMAGE: self.images,
            TokenClass.CHARACTER: self.characters,
            TokenClass.AUDIO_SECOND: self.audio_seconds,
        }


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one attempt, named as OpenTelemetry's gen_ai conventions name them.

    `input_tokens` includes every cached, audio and image input token; `output_tokens` includes reasoning, audio and
    image output tokens. The other fields are parts of those two totals. `web_search_calls` counts calls, not tokens.
    `media` counts what is priced by the piece, None on wires without such.
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
    media: MediaUnits | None = None

    def __post_init__(self) -> None:
        for count in astuple(self)[:-1]:
            if type(count) is not int or not 0 <= count <= MAX_COUNT:
                raise _no_count(self, count)

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
        counted: dict[TokenClass, int] = dict(zip(_COUNTED, counts, strict=True))
        return counted if self.media is None else counted | self.media.counts()


def usage_of(counts: Mapping[TokenClass, int]) -> Usage:
    """Return the usage whose `counts()` are these. A missing class counts as zero; REQUEST is always one."""
    count = {token_class: counts.get(token_class, 0) for token_class in TokenClass}
    media = MediaUnits(
        images=count[TokenClass.IMAGE],
        characters=count[TokenClass.CHARACTER],
        audio_seconds=count[TokenClass.AUDIO_SECOND],
    )
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
        media=media if any(astuple(media)) else None,
    )


def _no_count(counted: msgspec.Struct, count: object) -> UsageUnreadable:
    return UsageUnreadable(f"The vendor reported a count of {count!r}, which is not one: {asdict(counted)}.")


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
