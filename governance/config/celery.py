"""Celery's application. Its messages travel through PostgreSQL (pgmq) unless CELERY_BROKER_URL names another broker."""

from celery import Celery

app = Celery("bursar")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
