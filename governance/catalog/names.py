"""What an alias may be called, and what a pattern over aliases may look like. Pure."""

MAX_ALIAS_CHARACTERS = 200

_ALIAS_SIGNS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@+-")
_PATTERN_SIGNS = _ALIAS_SIGNS | {"*", "?"}


def is_alias_name(text: str) -> bool:
    """Return whether clients may call a model by this name: ASCII without blanks, so that no two look alike."""
    return 0 < len(text) <= MAX_ALIAS_CHARACTERS and _ALIAS_SIGNS.issuperset(text)


def is_alias_pattern(text: str) -> bool:
    """Return whether the text is an alias, or a glob of them: `*` for any characters, `?` for one."""
    return 0 < len(text) <= MAX_ALIAS_CHARACTERS and _PATTERN_SIGNS.issuperset(text)
