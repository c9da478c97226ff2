"""The company of the console's demo, and tokens of its people."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tests.console.conftest import busy_company, company, frozen_now

if TYPE_CHECKING:
    from tests.api.asking import Api
    from tests.console.demo import Company

__all__ = ["api", "busy_company", "company", "frozen_now"]

Ask = Callable[..., "Api"]


@pytest.fixture
def api(company: Company) -> Ask:
    """Return a function that issues a token to somebody of the company, by name, and calls the API with it."""

    def api_of(name: str, *scopes: str, of: Company | None = None) -> Api:
        made: Api = import_module("tests.api.asking").api_of(of or company, name, scopes or ("all:write",))
        return made

    return api_of
