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
    hears_alerts = forms.BooleanField(
        required=False, initial=True, label="Thresholds that are passed, and vendors' costs that go apart"
    )
    changes = forms.CharField(
        required=False,
        max_length=5000,
        label="Changes, from the audit trail",
        help_text="Kinds of things or actions, with spaces between: key budget.limit_changed. A * is everything.",
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        channels = [(name, name) for name in sorted(installed_notifiers())]
        cast("forms.ChoiceField", self.fields["notifier"]).choices = channels
