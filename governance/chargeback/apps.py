from django.apps import AppConfig


class ChargebackConfig(AppConfig):
    name = "governance.chargeback"
    label = "chargeback"
    default_auto_field = "django.db.models.BigAutoField"
