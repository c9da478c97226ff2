"""Amounts as people type them."""

from typing import Any

from django import forms

from governance.core.money import MoneyInvalid, parse_usd


class DollarsField(forms.CharField):
    """An amount of USD as exact nano-USD, zero or more. Thousands separators and a dollar sign are understood."""

    def clean(self, value: Any) -> int | None:
        """Return nano-USD, None where nothing is required and given. A sentence says what is wrong."""
        text = str(super().clean(value)).strip().removeprefix("$").replace(",", "")
        if not text and not self.required:
            return None
        try:
            nano = parse_usd(text)
        except MoneyInvalid as error:
            raise forms.ValidationError(str(error)) from error
        if nano < 0:
            raise forms.ValidationError("This amount is not negative: give zero or more.")
        return nano
