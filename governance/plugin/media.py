"""What media can count as at most, by model: data of the catalogue, under the names that plugins ask for.

A name may end in particulars after dots, such as `image_output_tokens.1024x1024.high`; who asks with particulars gets
the bound that fits them best, and the bare name's where none does. What has no bound is refused.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

IMAGE_INPUT_TOKENS: Final = "image_input_tokens"
"""One image that is shown to the model; particular is its level of detail."""
IMAGE_OUTPUT_TOKENS: Final = "image_output_tokens"
"""One image that the model makes; particular are its size and its quality."""
AUDIO_INPUT_TOKENS: Final = "audio_input_tokens"
"""All audio that one request holds."""
AUDIO_OUTPUT_TOKENS: Final = "audio_output_tokens"
"""All that is spoken in answer to one request."""
TEXT_OUTPUT_TOKENS: Final = "text_output_tokens"
"""All that is written down of one request's audio."""
AUDIO_SECONDS: Final = "audio_seconds"
"""The longest audio that the vendor takes in one request."""
BOUND_NAMES: Final = (
    IMAGE_INPUT_TOKENS,
    IMAGE_OUTPUT_TOKENS,
    AUDIO_INPUT_TOKENS,
    AUDIO_OUTPUT_TOKENS,
    TEXT_OUTPUT_TOKENS,
    AUDIO_SECONDS,
)
LARGEST_BOUND: Final = 2**31 - 1

_PARTICULARS: Final = re.compile(r"(\.[a-z0-9][a-z0-9_-]{0,31}){0,2}")


class MediaRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of media. The wire reads it, and the gateway adds the `bounds` of the model that is asked.

    `details` has the level of detail of every image that is shown; `size` and `quality` are those of the images to be
    made: all in lower case, empty where the client left them to the vendor. `images` counts the images to be made,
    `characters` the text to be spoken. `audio_seconds` is the longest that the audio can last, where its bytes prove
    that.
    """

    bounds: Mapping[str, int] = {}
    details: tuple[str, ...] = ()
    images: int = 0
    size: str = ""
    quality: str = ""
    partial_images: int = 0
    characters: int = 0
    audio_seconds: int | None = None


def is_bound_name(name: str) -> bool:
    """Return whether this names a bound that somebody may ask for."""
    bare, dot, particulars = name.partition(".")
    return bare in BOUND_NAMES and _PARTICULARS.fullmatch(dot + particulars) is not None


def bound_for(bounds: Mapping[str, int], name: str, *particulars: str) -> int | None:
    """Return the bound that fits these particulars best: all of them, else one of them (the dearer), else the bare
    name's. None where there is none.
    """
    said = [each for each in particulars if each]
    exact = bounds.get(".".join((name, *said)))
    if exact is not None:
        return exact
    partly = [bounds[key] for each in said if (key := f"{name}.{each}") in bounds]
    return max(partly) if partly else bounds.get(name)
