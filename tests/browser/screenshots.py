"""Every page at two widths in both themes, as pictures in SCREENSHOTS (default: screenshots/). For people to look at.

Run by `make screenshots`; collected by its name only, never by `make test`.
"""

import os
from pathlib import Path

import pytest

from tests.browser.conftest import Visit, Visitor
from tests.browser.pages import every_page
from tests.console.demo import PASSWORD, Company

FOLDER = Path(os.environ.get("SCREENSHOTS", "screenshots"))
ONLY = os.environ.get("SCREENSHOTS_ONLY", "")
WIDTHS = {"laptop": 1440, "phone": 390}


def _shoot(visit: Visit, name: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    visit.page.screenshot(path=FOLDER / f"{name}.png", full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_photographed(company: Company, visit: Visitor, width: str, theme: str) -> None:
    window = visit(width=WIDTHS[width], theme=theme)
    suffix = f"{width}-{theme}"
    window.open("/account/login/")
    _shoot(window, f"log-in-{suffix}")
    window.log_in(company.person("admin").email, PASSWORD)
    for name, path in every_page(company).items():
        if ONLY and name not in ONLY.split(","):
            continue
        window.open(path)
        _shoot(window, f"{name}-{suffix}")
        overflow = window.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} is {overflow} pixels too wide for {WIDTHS[width]}."
    window.forgive_missing_pages()
