"""A CSV file, or its text."""

from typing import Any

from django import forms

from governance.policy.loading import MOST_BYTES


class LoadForm(forms.Form):
    """A file to be checked, or the text that was checked to be applied."""

    file = forms.FileField(required=False, label="CSV file", widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}))
    text = forms.CharField(
        required=False,
        max_length=MOST_BYTES,
        strip=False,
        label="Or its text",
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "class": "mono"}),
    )

    def clean(self) -> dict[str, Any]:
        """There is one of the two."""
        if not self.cleaned_data.get("file") and not self.cleaned_data.get("text"):
            self.add_error("file", "Choose a file, or paste its text.")
        return self.cleaned_data

    def content(self) -> bytes:
        """Return the bytes."""
        file, text = self.cleaned_data["file"], str(self.cleaned_data["text"])
        return bytes(file.read(MOST_BYTES + 1)) if file else text.encode()
