"""Alerts by e-mail."""

from collections.abc import Callable

from bursar_plugin_mail_notifier.channel import MailNotifier
from governance.plugin import Notifier, Settings, hookimpl


@hookimpl
def bursar_notifiers(register: Callable[[Notifier], None], settings: Settings) -> None:
    """Offer the channel `mail`."""
    register(MailNotifier(settings))
