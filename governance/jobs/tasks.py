"""Jobs in the background."""

import asyncio
import functools
from collections.abc import Mapping

from celery import shared_task
from django.conf import settings

from governance.core.plugins import load_plugins
from governance.jobs.looking import look_at_due
from governance.plugin.provider import Provider


@shared_task(ignore_result=True, expires=60)  # type: ignore[untyped-decorator] # celery carries no types
def look_at_jobs() -> None:
    """Look at the batches that are due, and settle those that are over. May run twice at once."""
    environment = settings.ENVIRONMENT
    url = environment.database_url("worker")
    asyncio.run(look_at_due(database_url=url, providers=installed_providers(), keys=environment.sealing_keys))


@functools.cache
def installed_providers() -> Mapping[str, Provider]:
    """Return the providers that the installed plugins offer."""
    environment = settings.ENVIRONMENT
    plugins = load_plugins(
        blocked=environment.plugins_blocked,
        allowed=environment.plugins_allowed,
        settings=environment.plugin_settings,
    )
    return plugins.providers
