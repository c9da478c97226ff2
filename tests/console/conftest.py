"""The company of the demo, and people logged in to its console.

A conftest is loaded before Django is configured, so that the demo, which needs models, is imported by the fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
import time_machine

if TYPE_CHECKING:
    from django.test import Client

    from tests.console.demo import Company

LogIn = Callable[[str], "Client"]


@pytest.fixture
def frozen_now() -> Iterator[None]:
    """It is always the same afternoon in November."""
    with time_machine.travel(import_module("tests.console.demo").NOW, tick=False):
        yield


@pytest.fixture
def company(db: None, frozen_now: None) -> Company:
    """A company that has called nothing yet."""
    found: Company = import_module("tests.console.demo").found_company()
    return found


@pytest.fixture
def busy_company(company: Company) -> Company:
    """A company with a month of calls."""
    import_module("tests.console.demo").spend_a_month(company)
    return company


@pytest.fixture
def log_in(company: Company) -> LogIn:
    """Return a function that logs somebody of the company in, by name."""

    def log_in_as(name: str) -> Client:
        client: Client = import_module("django.test").Client()
        client.force_login(company.person(name))
        return client

    return log_in_as
