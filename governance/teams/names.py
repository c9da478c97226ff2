"""What a name may be: shown on pages, forwarded in headers, printed in spreadsheets. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from governance.teams.errors import NameRefused, ZoneUnknown

MAX_NAME_CHARACTERS = 200
MAX_TAGS = 32
MAX_TAG_CHARACTERS = 128
MAX_REGIONS = 32

_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_REGION_CHARACTERS = 64


def clean_name(text: str, *, what: str) -> str:
    """Return the name without surrounding blanks. Raises NameRefused; `what` is the noun for its sentence."""
    name = unicodedata.normalize("NFC", text.strip())
    if not name:
        raise NameRefused(f"The {what} is empty: give it a name.")
    if len(name) > MAX_NAME_CHARACTERS:
        raise NameRefused(
            f"The {what} has {len(name)} characters: give it a name of at most {MAX_NAME_CHARACTERS} characters."
        )
    if _has_unprintable(name):
        raise NameRefused(f"The {what} holds a control or invisible character: use letters, digits, blanks and signs.")
    return name


def clean_zone(text: str) -> str:
    """Return the text if it names an IANA time zone. Raises ZoneUnknown."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ZoneUnknown(f"{text!r} is not a time zone: give an IANA name such as Europe/Berlin or UTC.") from error
    return text


def clean_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags (name -> value) as they are kept. Raises NameRefused."""
    if len(tags) > MAX_TAGS:
        raise NameRefused(f"{len(tags)} tags are too many: give at most {MAX_TAGS}.")
    return {clean_tag(name): _clean_tag_value(name, value) for name, value in tags.items()}


def clean_tag(text: str) -> str:
    """Return the name of a tag. Raises NameRefused."""
    name = text.strip()
    if not name or len(name) > MAX_TAG_CHARACTERS or _has_unprintable(name) or any(sign in name for sign in ",=; "):
        raise NameRefused(
            f"{text!r} is not the name of a tag: use at most {MAX_TAG_CHARACTERS} characters without blanks, "
            "commas, semicolons and equals signs."
        )
    return name


def clean_region(text: str) -> str:
    """Return the label of a region, such as "eu" or "eu-central-1". Raises NameRefused."""
    region = text.strip().lower()
    if len(region) > _MAX_REGION_CHARACTERS or not _REGION.fullmatch(region):
        raise NameRefused(f"{text!r} is no region: use letters, digits and hyphens, such as eu or eu-central-1.")
    return region


def clean_regions(texts: Iterable[str]) -> list[str]:
    """Return labels of regions, each once, sorted. Raises NameRefused."""
    regions = sorted({clean_region(text) for text in texts})
    if len(regions) > MAX_REGIONS:
        raise NameRefused(
            f"{len(regions)} regions are too many: give at most {MAX_REGIONS}, or a wider one such as eu."
        )
    return regions


def _clean_tag_value(name: str, value: str) -> str:
    if len(value) > MAX_TAG_CHARACTERS or _has_unprintable(value) or "," in value:
        raise NameRefused(
            f"The value of the tag {name!r} is refused: use at most {MAX_TAG_CHARACTERS} printable characters "
            "without commas."
        )
    return value.strip()


def _has_unprintable(text: str) -> bool:
    return any(unicodedata.category(character) in _UNPRINTABLE for character in text)


_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
