"""JSON as the document says it: a text is no number, a truth value neither. The framework takes one for another.

Queries are texts and are read as such; this is for bodies alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rest_framework import serializers

_TYPES: Final[tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...]] = (
    (serializers.BooleanField, bool, "Give true or false."),
    (serializers.CharField, str, "Give a text, in quotes."),
    (serializers.ChoiceField, str, "Give a text, in quotes."),
    (serializers.DateTimeField, str, "Give an instant as a text, such as 2026-12-01T00:00:00Z."),
    (serializers.DateField, str, "Give a day as a text, such as 2026-12-01."),
    (serializers.IntegerField, int, "Give a whole number, without quotes."),
)


def refuse_other_types(shape: serializers.Serializer[Any], data: Any) -> None:
    """Raise ValidationError for values of another JSON type than their field's. What is no object is left alone."""
    if not isinstance(data, Mapping):
        return
    if wrong := dict(_wrong(shape, data)):
        raise serializers.ValidationError(wrong)


def _wrong(shape: serializers.Serializer[Any], data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, field in shape.fields.items():
        if name in data and (complaint := _complaint(field, data[name])):
            yield name, complaint


def _complaint(field: Any, value: Any) -> Any:
    """Return what is wrong with a value; empty where nothing is, or where the field itself will say so."""
    if value is None:
        return ""
    if isinstance(field, serializers.Serializer):
        return dict(_wrong(field, value)) if isinstance(value, Mapping) else ""
    if isinstance(field, serializers.ListField | serializers.ListSerializer):
        complaints = {str(at): _complaint(field.child, each) for at, each in _listed(value)}
    elif isinstance(field, serializers.DictField):
        complaints = {str(key): _complaint(field.child, each) for key, each in _named(value)}
    else:
        return next((words for kind, wanted, words in _TYPES if isinstance(field, kind) and not _is(value, wanted)), "")
    return {key: complaint for key, complaint in complaints.items() if complaint}


def _is(value: Any, wanted: type) -> bool:
    # To Python a truth value is a number.
    return isinstance(value, wanted) and (wanted is not int or not isinstance(value, bool))


def _listed(value: Any) -> Iterator[tuple[int, Any]]:
    return enumerate(value) if isinstance(value, list) else enumerate(())


def _named(value: Any) -> Iterator[tuple[Any, Any]]:
    return iter(value.items()) if isinstance(value, Mapping) else iter(())
