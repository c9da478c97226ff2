"""Guards for secrets and for personal data."""

from collections.abc import Callable

from bursar_plugin_pii_guard.personal import PersonalDataGuard
from bursar_plugin_pii_guard.secrets import SecretsGuard
from governance.plugin import Guard, Settings, hookimpl


@hookimpl
def bursar_guards(register: Callable[[Guard], None], settings: Settings) -> None:
    """Offer the guards `secrets` and `personal`; they need no settings."""
    register(SecretsGuard())
    register(PersonalDataGuard())
