"""What the installed plugins offer, as forms need it."""

from governance.viewing.installed import installed_guards, installed_providers

__all__ = ["installed_guards", "installed_providers"]
