"""Which calls a budget pays for. Pure: the gateway asks this on every request."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec

ANY_VALUE = "*"


class Narrowing(msgspec.Struct, frozen=True, kw_only=True):
    """What calls must have for a budget to pay them: everything that is named here.

    `patterns` are globs over aliases, of which one must match; `provider` is the vendor plugin's name; a `tag_value` of
    "" stands for any value of the tag.
    """

    patterns: tuple[str, ...] = ()
    provider: str = ""
    tag_name: str = ""
    tag_value: str = ""

    def covers(self, *, alias: str, provider: str, tags: Mapping[str, str]) -> bool:
        """Return whether a call to this alias, at this provider and with these tags, is paid."""
        if self.patterns and not any(fnmatchcase(alias, pattern) for pattern in self.patterns):
            return False
        if self.provider and self.provider != provider:
            return False
        return not self.tag_name or self._has_tag(tags)

    def _has_tag(self, tags: Mapping[str, str]) -> bool:
        value = tags.get(self.tag_name)
        return value is not None and self.tag_value in ("", value)


def split_tag(text: str) -> tuple[str, str]:
    """Return name and value of `name=value`; the value is "" where it is `*`, left out or missing."""
    name, _, value = text.partition("=")
    value = value.strip()
    return name.strip(), "" if value == ANY_VALUE else value


def tag_text(name: str, value: str) -> str:
    """Return a tag as people write it: "feature=search", "feature=*"."""
    return f"{name}={value or ANY_VALUE}"
