"""The one task of the wiring itself."""

import psycopg
from celery import shared_task
from django.conf import settings

from governance.config.heartbeat import WORKER, write_heartbeat


@shared_task(ignore_result=True, expires=60)  # type: ignore[untyped-decorator] # celery carries no types
def sign_of_life() -> None:
    """Show that a message travels from the scheduler through the broker to a worker."""
    with psycopg.connect(settings.ENVIRONMENT.database_url("worker"), connect_timeout=5) as session:
        write_heartbeat(session, WORKER)
