"""Attacks go through the front door: a whole gateway over a real database, and a scripted vendor on a real port."""

from tests.gateway.conftest import environment, key, limits, other, served, vendor, world
from tests.gateway.test_process import processes

__all__ = ["environment", "key", "limits", "other", "processes", "served", "vendor", "world"]
