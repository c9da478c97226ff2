"""What people type about prices, validated with sentences."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from django.forms import BoundField

from governance.plugin.usage import UNPRICED, TokenClass
from governance.viewing.explanation import CLASS_WORDS

_PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,21})?")
_ALWAYS = (TokenClass.INPUT, TokenClass.CACHE_READ, TokenClass.CACHE_WRITE, TokenClass.OUTPUT)
_BY_THE_PIECE = frozenset({TokenClass.REQUEST, TokenClass.WEB_SEARCH})


class PriceField(forms.CharField):
    """USD per million, exact; thousands separators are understood."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(required=False, max_length=40, widget=widget, **options)

    def clean(self, value: Any) -> Decimal | None:
        """Return the price, or None where there is none. A sentence says what is wrong."""
        text = str(super().clean(value)).replace(",", "").removeprefix("$").strip()
        if not text:
            return None
        if not _PRICE.fullmatch(text):
            raise forms.ValidationError("Write a price such as 2.50, in USD per million.")
        return Decimal(text)


class PricesForm(forms.Form):
    """What a model costs, by token class. `present` is what is in force now, in USD per million."""

    effective_on = forms.DateField(
        required=False,
        label="From",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="The beginning of that day, UTC. Empty: from now on.",
    )
    is_confirmed = forms.BooleanField(
        required=False,
        label="They are right, though they look like a mix-up",
        help_text="Needed for prices that are free, outside the usual, or far from what was paid until then.",
    )

    def __init__(self, data: Any, *, present: dict[str, Decimal]) -> None:
        super().__init__(data)
        self._classes = [each for each in TokenClass if each not in UNPRICED]
        self._shown = {each for each in self._classes if each in _ALWAYS or str(each) in present}
        for each in self._classes:
            self.fields[f"price_{each}"] = PriceField(
                label=CLASS_WORDS[each],
                initial=f"{present[each]:f}" if str(each) in present else None,
                help_text="A million of them." if each in _BY_THE_PIECE else "",
            )

    def shown(self) -> Iterator[BoundField]:
        """The classes that most models have, and those that this one has."""
        return (self[f"price_{each}"] for each in self._classes if each in self._shown)

    def others(self) -> Iterator[BoundField]:
        """The other classes."""
        return (self[f"price_{each}"] for each in self._classes if each not in self._shown)

    def prices(self) -> dict[TokenClass, Decimal]:
        """Return what was typed."""
        typed = {each: self.cleaned_data[f"price_{each}"] for each in self._classes}
        return {each: price for each, price in typed.items() if price is not None}

    def effective_from(self, *, now: datetime) -> datetime:
        """Return from when on they hold."""
        day = self.cleaned_data["effective_on"]
        return datetime.combine(day, time(), tzinfo=UTC) if day is not None else now
