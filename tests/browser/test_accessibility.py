"""axe-core's rules on every page: nothing serious or critical."""

import pytest

from tests.browser.conftest import Visitor
from tests.browser.pages import forgotten_addresses, serious_findings, visited_pages
from tests.console.demo import Company


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_has_serious_findings(company: Company, visit: Visitor, width: int, theme: str) -> None:
    pages = visited_pages(company, visit, width=width, theme=theme)
    findings = {name: serious_findings(page) for name, page in pages}

    assert {name: found for name, found in findings.items() if found} == {}


def test_every_address_of_the_console_is_looked_at(company: Company) -> None:
    assert forgotten_addresses(company) == set()
