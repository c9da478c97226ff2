"""Google's own kind of schema, of OpenAPI 3.0, as JSON Schema."""

from typing import Any

import msgspec

from governance.gateway.translation.gemini.spelling import camel
from governance.gateway.translation.reading import decoded, unsayable
from governance.plugin.errors import RequestInvalid

_any = msgspec.json.Decoder(dict[str, Any])
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_PLAIN = ("title", "description", "default", "enum", "format", "pattern", "minimum", "maximum", "required")
_LEFT_OUT = ("propertyOrdering", "nullable", "type")
"""The order of fields is no rule about them; the other two are written together."""


def json_schema(raw: msgspec.Raw, *, field: str) -> msgspec.Raw:
    """Return the JSON Schema that says the same. Raises RequestInvalid."""
    try:
        return msgspec.Raw(msgspec.json.encode(_converted(decoded(raw, _any, field=field), field)))
    except RecursionError as error:
        raise RequestInvalid("The schema is nested too deeply: send a flatter one.", field=field) from error


def _converted(schema: Any, field: str) -> Any:
    if not isinstance(schema, dict):
        raise RequestInvalid(f"The field {field!r} holds a schema that is not an object.", field=field)
    given = {camel(name) if not name.startswith("$") else name: value for name, value in schema.items()}
    written: dict[str, Any] = {}
    if (kind := _type(given, field)) is not None:
        written["type"] = kind
    for name, value in given.items():
        if name in _PLAIN or (name == "additionalProperties" and isinstance(value, bool)):
            written[name] = value
        elif name in _COUNTS:
            written[name] = _count(name, value, field)
        elif name == "example":
            written["examples"] = [value]
        elif name in ("items", "additionalProperties"):
            written[name] = _converted(value, field)
        elif name == "anyOf" and isinstance(value, list):
            written["anyOf"] = [_converted(option, field) for option in value]
        elif name == "properties" and isinstance(value, dict):
            written["properties"] = {key: _converted(inner, field) for key, inner in value.items()}
        elif name not in _LEFT_OUT:
            raise unsayable(name[:64], "send the schema as a JSON Schema instead", within=field)
    return written


def _type(schema: dict[str, Any], field: str) -> str | list[str] | None:
    kind = schema.get("type")
    if kind is None or kind == "TYPE_UNSPECIFIED":
        return None
    if not isinstance(kind, str):
        raise RequestInvalid(f"The field {field!r} holds a type that is not a word.", field=field)
    return [kind.lower(), "null"] if schema.get("nullable") is True else kind.lower()


def _count(name: str, value: Any, field: str) -> int:
    """Google writes 64-bit numbers as strings."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    if type(value) is not int:
        raise RequestInvalid(f"The field {field!r} holds {name} that is not a whole number.", field=field)
    return value
