"""Whom alerts are told to."""

from typing import Any, cast

from django import forms

from governance.viewing.installed import installed_notifiers


class RecipientForm(forms.Form):
    """One more destination."""

    notifier = forms.ChoiceField(label="Channel", help_text="What installed plugins offer.")
    destination = forms.CharField(
        max_length=2000, help_text="An address in the channel's own form: of mail, or a webhook's https://…"
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        channels = [(name, name) for name in sorted(installed_notifiers())]
        cast("forms.ChoiceField", self.fields["notifier"]).choices = channels
