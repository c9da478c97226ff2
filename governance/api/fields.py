"""Fields that several bodies share: amounts, ids, names. Amounts are decimal texts of USD, exact, never numbers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from governance.core.money import MoneyInvalid, parse_usd, usd_text

_LARGEST_ID = 2**63 - 1
_USD = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["12.50"], "description": "USD, exact."}


class UsdField(serializers.Field[int, str, str, Any]):
    """An amount of nano-USD, as a decimal text of USD such as "12.50"."""

    default_error_messages = {"text": 'Write an amount as a decimal text of USD, such as "12.50".'}

    def to_internal_value(self, data: Any) -> int:
        """Return nano-USD."""
        if not isinstance(data, str) or len(data) > 40 or not data.isascii():
            self.fail("text")
        try:
            return parse_usd(data)
        except MoneyInvalid as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: Any) -> str:
        """Return the exact text."""
        return usd_text(value)


extend_schema_field(_USD)(UsdField)


class IdField(serializers.IntegerField):
    """The id of something."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=_LARGEST_ID, **options)


class NameField(serializers.CharField):
    """A name that somebody gives."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=200, **options)


class ReasonField(serializers.CharField):
    """Why, for the audit trail."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault("default", "")
        options.setdefault("allow_blank", True)
        super().__init__(max_length=500, help_text="Why. Kept in the audit trail.", **options)
