"""Whose answers are kept for the same request again, how long, and how much of them. Pure."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

import msgspec

LONGEST_SECONDS: Final = 7 * 24 * 3600
LEAST_BYTES: Final = 64 * 1024
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one team, in each gateway process."""


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A team's wish. `patterns` narrow it to aliases that match one of these globs; none: all of them.

    Unless `is_any_temperature`, only requests that ask for temperature 0 are answered so, and those that have none.
    """

    ttl_seconds: int
    max_bytes: int
    patterns: tuple[str, ...] = ()
    is_any_temperature: bool = False

    def applies_to(self, alias: str) -> bool:
        """Return whether answers of this alias are kept."""
        return not self.patterns or any(fnmatchcase(alias, pattern) for pattern in self.patterns)


Caching: TypeAlias = Mapping[int, CachePolicy]
"""By team; a team that is not in it keeps nothing."""
