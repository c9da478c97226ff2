"""What people type about the whole organisation, validated with sentences."""

from decimal import Decimal

from django import forms

from governance.alerts.drift import MOST_PERMILLE, drift_permille
from governance.chargeback.closing import needs_second_person
from governance.teams.models import Organisation


class SettingsForm(forms.Form):
    """What the organisation is called, where its requests are kept, and when it is told that costs go apart."""

    name = forms.CharField(max_length=200, label="Organisation")
    regions = forms.CharField(
        required=False,
        max_length=2000,
        label="Regions",
        help_text="Where requests may be handled, such as eu, with spaces between. Empty: anywhere. Teams narrow it.",
    )
    drift_percent = forms.DecimalField(
        min_value=0,
        max_value=MOST_PERMILLE // 10,
        decimal_places=1,
        label="Tell of costs that go apart, from per cent",
        help_text="Of what a vendor itself reports for a day. 0: never.",
    )

    needs_second_person = forms.BooleanField(
        required=False,
        label="A second person closes months",
        help_text="Who has reviewed a month cannot close it.",
    )

    @staticmethod
    def present(organisation: Organisation) -> dict[str, object]:
        """Return what stands now."""
        return {
            "name": organisation.name,
            "regions": " ".join(organisation.regions),
            "drift_percent": Decimal(drift_permille(organisation=organisation)) / 10,
            "needs_second_person": needs_second_person(organisation=organisation),
        }

    def wanted_regions(self) -> list[str]:
        """Return the regions."""
        return str(self.cleaned_data["regions"]).replace(",", " ").split()

    def wanted_permille(self) -> int:
        """Return the threshold in thousandths."""
        return int(self.cleaned_data["drift_percent"] * 10)
