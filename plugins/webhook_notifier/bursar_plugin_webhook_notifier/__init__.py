"""Alerts as HTTP requests: signed, or as Slack's incoming webhooks."""

from collections.abc import Callable

from bursar_plugin_webhook_notifier.channel import SlackNotifier, WebhookNotifier
from governance.plugin import Notifier, Settings, hookimpl


@hookimpl
def bursar_notifiers(register: Callable[[Notifier], None], settings: Settings) -> None:
    """Offer the channels `webhook` and `slack`."""
    register(WebhookNotifier(settings))
    register(SlackNotifier(settings))
