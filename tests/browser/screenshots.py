"""Every page at two widths in both themes, as pictures in SCREENSHOTS (default: screenshots/). For people to look at.

Run by `make screenshots`; collected by its name only, never by `make test`. It fails where a page was not made,
complains in the browser's console, breaks the content security policy, is wider than its window, or where axe finds
something serious; the pictures are there all the same.
"""

import os
from pathlib import Path

import pytest

from tests.browser.conftest import Visitor
from tests.browser.pages import forgotten_addresses, serious_findings, visited_pages
from tests.console.demo import Company

FOLDER = Path(os.environ.get("SCREENSHOTS", "screenshots"))
ONLY = frozenset(filter(None, os.environ.get("SCREENSHOTS_ONLY", "").split(",")))
WIDTHS = {"laptop": 1280, "phone": 390}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_photographed(company: Company, visit: Visitor, width: str, theme: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    findings: dict[str, list[str]] = {}
    for name, page in visited_pages(company, visit, width=WIDTHS[width], theme=theme):
        if ONLY and name not in ONLY:
            continue
        page.screenshot(path=FOLDER / f"{name}-{width}-{theme}.png", full_page=True)
        found = serious_findings(page)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"It is wider than {WIDTHS[width]} pixels.")
        if found:
            findings[name] = found

    assert findings == {}
    assert forgotten_addresses(company) == set()
