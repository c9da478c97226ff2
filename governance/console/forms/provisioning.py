"""What people type about their company's directory."""

from django import forms


class TokenForm(forms.Form):
    """A new token."""

    name = forms.CharField(max_length=100, help_text="Which directory holds it, such as Entra ID.")
