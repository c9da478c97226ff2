"""What the installed plugins offer, as forms need it."""

from governance.viewing.installed import (
    installed_guards,
    installed_notifiers,
    installed_providers,
    installed_strategies,
)

__all__ = ["installed_guards", "installed_notifiers", "installed_providers", "installed_strategies"]
