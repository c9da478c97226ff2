"""axe-core's rules on every page: nothing serious or critical."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Visitor
from tests.browser.pages import every_page
from tests.console.demo import PASSWORD, Company

WORSE_THAN_MODERATE = {"serious", "critical"}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_has_serious_findings(company: Company, visit: Visitor, width: int, theme: str) -> None:
    window = visit(width=width, theme=theme)
    window.open("/account/login/")
    findings = {"log-in": _findings(window.page)}
    window.log_in(company.person("admin").email, PASSWORD)
    for name, path in every_page(company).items():
        window.open(path)
        findings[name] = _findings(window.page)
    window.forgive_missing_pages()

    assert {name: found for name, found in findings.items() if found} == {}


def _findings(page: object) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
        for violation in violations
        if violation["impact"] in WORSE_THAN_MODERATE
        for node in violation["nodes"][:3]
    ]
