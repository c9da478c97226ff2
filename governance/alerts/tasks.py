"""Alerts in the background."""

import functools
from collections.abc import Mapping

from celery import shared_task
from django.conf import settings

from governance.alerts.changes import notice_changes
from governance.alerts.drift import notice_drifts
from governance.alerts.operations import deliver_due, notice_crossings
from governance.core.clock import utc_now
from governance.core.plugins import load_plugins
from governance.plugin.notifier import Notifier


@shared_task(ignore_result=True, expires=55)  # type: ignore[untyped-decorator] # celery carries no types
def watch_budgets() -> None:
    """Notice thresholds that were passed. Delivered twice or late, it records each crossing once."""
    notice_crossings(at=utc_now())


@shared_task(ignore_result=True, expires=55)  # type: ignore[untyped-decorator] # celery carries no types
def watch_trail() -> None:
    """Notice changes that somebody wants to be told of. Delivered twice or late, it records each once."""
    notice_changes(at=utc_now())


@shared_task(ignore_result=True, expires=3600)  # type: ignore[untyped-decorator]
def compare_vendor_costs() -> None:
    """Notice models whose calls of the last day cost what the vendor does not say they cost; once a day each."""
    notice_drifts(at=utc_now())


@shared_task(ignore_result=True, expires=55)  # type: ignore[untyped-decorator]
def deliver_alerts() -> None:
    """Tell the recipients whose turn it is."""
    deliver_due(notifiers=installed_notifiers(), at=utc_now())


@functools.cache
def installed_notifiers() -> Mapping[str, Notifier]:
    """Return the channels that the installed plugins offer."""
    environment = settings.ENVIRONMENT
    plugins = load_plugins(
        blocked=environment.plugins_blocked,
        allowed=environment.plugins_allowed,
        settings=environment.plugin_settings,
    )
    return plugins.notifiers
