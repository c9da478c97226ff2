"""What the installed plugins offer, as forms need it: read once."""

import functools
from collections.abc import Mapping

from django.conf import settings

from governance.core.plugins import load_plugins
from governance.plugin.guards import Guard


@functools.cache
def installed_guards() -> Mapping[str, Guard]:
    """Return the guards by name."""
    environment = settings.ENVIRONMENT
    plugins = load_plugins(
        blocked=environment.plugins_blocked,
        allowed=environment.plugins_allowed,
        settings=environment.plugin_settings,
    )
    return plugins.guards
