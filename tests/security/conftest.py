"""Attacks go through the front door: a whole gateway over a real database, and a scripted vendor on a real port."""

from tests.gateway.conftest import environment, key, limits, served, vendor, world

__all__ = ["environment", "key", "limits", "served", "vendor", "world"]
