"""Whole addresses of the console, for those who come back from elsewhere."""

from django.conf import settings


def absolute(path: str) -> str:
    """Return the address under which people reach this path, as the operator said it."""
    return f"{settings.ENVIRONMENT.public_console_url}{path}"
