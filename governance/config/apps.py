"""The wiring as a Django app: loading it makes Celery's application the default one of every Django process."""

from django.apps import AppConfig

from governance.config.celery import app as celery_app

__all__ = ["WiringConfig", "celery_app"]


class WiringConfig(AppConfig):
    """No models: only wiring."""

    name = "governance.config"
    label = "config"
