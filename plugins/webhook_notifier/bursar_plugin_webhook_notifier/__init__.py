"""Alerts as signed HTTP requests."""

from collections.abc import Callable

from bursar_plugin_webhook_notifier.channel import WebhookNotifier
from governance.plugin import Notifier, Settings, hookimpl


@hookimpl
def bursar_notifiers(register: Callable[[Notifier], None], settings: Settings) -> None:
    """Offer the channel `webhook`."""
    register(WebhookNotifier(settings))
