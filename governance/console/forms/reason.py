"""Why somebody ends something."""

from django import forms


class ReasonForm(forms.Form):
    """Kept in the audit trail beside the change."""

    reason = forms.CharField(required=False, max_length=500, help_text="Kept in the audit trail.")
