"""Celery's application. Its messages travel through PostgreSQL (pgmq) unless CELERY_BROKER_URL names another broker."""

import os
import signal
import warnings
from typing import Any

import psycopg
from celery import Celery
from celery.exceptions import SecurityWarning
from celery.schedules import crontab
from celery.signals import worker_process_init, worker_ready
from django.conf import settings

from governance.config.heartbeat import WORKER, write_heartbeat
from governance.config.processes import follow_parent_to_death

# Celery warns of root because of pickle, which is not accepted here.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("bursar")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["governance.config"], related_name="tasks")

# Static: what runs when is read in review, not in a table. Rooms name their tasks here.
app.conf.beat_schedule = {
    "sign-of-life": {"task": "governance.config.tasks.sign_of_life", "schedule": 30.0},
    "watch-budgets": {"task": "governance.alerts.tasks.watch_budgets", "schedule": 60.0},
    "watch-trail": {"task": "governance.alerts.tasks.watch_trail", "schedule": 60.0},
    "deliver-alerts": {"task": "governance.alerts.tasks.deliver_alerts", "schedule": 60.0},
    "look-at-jobs": {"task": "governance.jobs.tasks.look_at_jobs", "schedule": 15.0},
    "make-coming-partitions": {
        "task": "governance.ledger.tasks.make_coming_partitions",
        "schedule": crontab(hour=0, minute=40),
    },
    "sum-up-days": {"task": "governance.ledger.tasks.sum_up_days", "schedule": 60.0},
    "prove-day-sums": {
        "task": "governance.ledger.tasks.prove_day_sums",
        "schedule": crontab(hour=1, minute=10),
    },
    "keep-prompts-in-order": {
        "task": "governance.prompts.tasks.keep_prompts_in_order",
        "schedule": crontab(hour=0, minute=50),
    },
    "prove-ledger-nightly": {
        "task": "governance.chargeback.tasks.prove_ledger_nightly",
        "schedule": crontab(hour=2, minute=20),
    },
    "forget-refusals": {
        "task": "governance.metering.tasks.forget_refusals",
        "schedule": crontab(hour=1, minute=40),
    },
    "forget-ended-sessions": {
        "task": "governance.identity.tasks.forget_ended_sessions",
        "schedule": crontab(hour=1, minute=50),
    },
    "compare-vendor-costs": {
        "task": "governance.alerts.tasks.compare_vendor_costs",
        "schedule": crontab(minute=25),
    },
    "write-closing-months": {"task": "governance.chargeback.tasks.write_closing_months", "schedule": 15.0},
    # Hourly, because months end at another hour in every zone; only an ended month without statements costs work.
    "write-due-statements": {
        "task": "governance.chargeback.tasks.write_due_statements",
        "schedule": crontab(minute=10),
    },
}
__all__ = ["app", "crontab"]


@worker_process_init.connect  # type: ignore[untyped-decorator] # celery carries no types
def die_with_the_worker(**_: Any) -> None:
    """Keep a pool process from outliving a worker that was killed: its task is redelivered."""
    follow_parent_to_death(os.getppid(), signal.SIGKILL)


@worker_ready.connect  # type: ignore[untyped-decorator]
def say_that_the_worker_is_ready(**_: Any) -> None:
    """Write the first sign of life, which `bursar up` waits for."""
    with psycopg.connect(settings.ENVIRONMENT.database_url("worker"), connect_timeout=5) as session:
        write_heartbeat(session, WORKER)
