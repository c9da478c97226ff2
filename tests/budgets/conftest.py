"""A company, its budgets, and accounts opened by the database's own function."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.company import Company


@pytest.fixture
def company(db: None) -> Company:
    found: Company = import_module("tests.support.company").found()
    return found
