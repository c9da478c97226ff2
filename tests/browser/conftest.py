"""A real browser on the console, served over HTTP on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page
    from pytest_django.live_server_helper import LiveServer

    from tests.console.demo import Company

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Playwright's synchronous interface runs an event loop, in which Django would refuse the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@dataclass
class Visit:
    """One person's browser window, and everything that went wrong in it."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a page of the console and wait until it has loaded."""
        self.page.goto(self.address + path, wait_until="load")

    def log_in(self, email: str, password: str) -> None:
        """Fill in the log-in form as a person would."""
        self.open("/account/login/")
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in", exact=True).click()
        self.page.wait_for_url(self.address + "/")

    def type_into(self, label: str, text: str) -> None:
        """Type into the field that has the focus, which must be the one called so.

        A page may be loaded a moment before its first field has the focus; letters typed in between would be lost.
        """
        import_module("playwright.sync_api").expect(self.page.get_by_label(label, exact=True)).to_be_focused()
        self.page.keyboard.type(text)

    def forgive_missing_pages(self) -> None:
        """Forget answers of 404: the browser reports them as errors of its own, and here they were asked for."""
        self.complaints[:] = [text for text in self.complaints if "status of 404" not in text]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def company(live_server: LiveServer) -> Company:
    """A company with a month of calls, ending just now."""
    demo = import_module("tests.console.demo")
    found: Company = demo.found_company()
    now = import_module("governance.core.clock").utc_now()
    demo.spend_a_month(found, now=now)
    demo.pass_thresholds(found, now=now)
    demo.leave_a_trail(found)
    return found


Visitor = Callable[..., Visit]


@pytest.fixture
def visit(live_server: LiveServer, browser: Browser) -> Iterator[Visitor]:
    """Return a function that opens a window; at the end no page may have complained about anything."""
    contexts: list[BrowserContext] = []
    visits: list[Visit] = []

    def open_window(*, width: int = 1440, height: int = 900, theme: str = "light") -> Visit:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
        contexts.append(context)
        made = Visit(page=context.new_page(), address=live_server.url)
        made.page.on("console", lambda message: _note(made, message.type, message.text))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        visits.append(made)
        return made

    yield open_window
    for context in contexts:
        context.close()
    assert [complaint for made in visits for complaint in made.complaints] == []


def _note(visit: Visit, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        visit.complaints.append(f"{visit.page.url}: {text}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out unless it is asked for by name: `make test` must not need a browser."""
    return None if any("tests/browser" in argument for argument in config.args) else True
