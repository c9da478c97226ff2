"""Field names as protocol buffers' JSON has them: lowerCamelCase, and snake_case is taken too."""

import msgspec

from governance.gateway.translation.reading import decoded
from governance.plugin.errors import RequestInvalid

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def camel(name: str) -> str:
    """Return the name in lowerCamelCase."""
    first, *others = name.split("_")
    return first + "".join(other[:1].upper() + other[1:] for other in others)


def respelt(raw: msgspec.Raw | bytes, *, field: str | None) -> msgspec.Raw | bytes:
    """Return this object with its own field names in lowerCamelCase; what is in the fields stays. Raises
    RequestInvalid unless it is an object in which each field stands once.
    """
    members = decoded(raw, _object, field=field)
    if not any("_" in name for name in members):
        return raw
    spelt = {camel(name): value for name, value in members.items()}
    if len(spelt) < len(members):
        raise RequestInvalid("A field stands twice, in two spellings: send it once.", field=field)
    return msgspec.json.encode(spelt)
