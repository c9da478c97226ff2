"""What a call is for: tags of the header `X-Bursar-Tags: feature=search,customer=acme` and the key's defaults."""

import re

from governance.core.errors import BadRequest, TagsMissing
from governance.gateway.limits import Limits
from governance.policy.snapshot import KeyPolicy

_NAME = re.compile(r"[A-Za-z0-9_.\-]+")
_VALUE = re.compile(r"[ -~]+")


def read_tags(header: bytes | None, *, policy: KeyPolicy, limits: Limits) -> dict[str, str]:
    """Return the tags of one request: the header's win over the key's defaults. Raises TagsMissing, BadRequest."""
    tags = dict(policy.default_tags)
    if header:
        tags.update(_parse(header, limits))
    missing = [name for name in policy.required_tags if name not in tags]
    if missing:
        raise TagsMissing(
            f"The team {policy.team_name!r} requires the tags {', '.join(missing)}: "
            f"send the header `X-Bursar-Tags: {missing[0]}=...`, or have defaults set on the key."
        )
    return tags


def _parse(header: bytes, limits: Limits) -> dict[str, str]:
    if len(header) > limits.tags * (2 * limits.tag_characters + 2):
        raise _invalid(limits)
    tags: dict[str, str] = {}
    for pair in header.decode("latin-1").split(","):
        name, _, value = (part.strip() for part in pair.partition("="))
        is_short = len(name) <= limits.tag_characters and len(value) <= limits.tag_characters
        if not (is_short and _NAME.fullmatch(name) and _VALUE.fullmatch(value)) or name in tags:
            raise _invalid(limits)
        tags[name] = value
    if len(tags) > limits.tags:
        raise _invalid(limits)
    return tags


def _invalid(limits: Limits) -> BadRequest:
    return BadRequest(
        "The header X-Bursar-Tags must read `name=value,name=value`: "
        f"at most {limits.tags} tags of at most {limits.tag_characters} printable ASCII characters, each name once."
    )
