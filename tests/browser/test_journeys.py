"""What people do in the console, in a real browser. The fixture `visit` fails a test whose pages complain."""

import re

from playwright.sync_api import expect

from governance.core.clock import utc_now
from tests.browser.conftest import Visitor
from tests.console.demo import PASSWORD, Call, Company, book


def test_a_developer_logs_in_issues_a_key_and_finds_it_in_the_list(company: Company, visit: Visitor) -> None:
    window = visit()
    window.log_in(company.person("developer").email, PASSWORD)
    page = window.page
    page.get_by_role("link", name="Keys").click()
    page.get_by_role("link", name="Issue a key").click()
    page.get_by_role("textbox", name="Name").fill("my-notebook")
    page.get_by_role("button", name="Issue the key").click()

    text = page.locator("#key-text").text_content() or ""
    page.get_by_role("button", name="Copy the key").click()
    expect(page.locator("#status")).to_contain_text(re.compile("Copied|selected"))
    assert text.startswith("bsr_")
    expect(page.locator("#curl-text")).to_contain_text(text)

    page.get_by_role("link", name="I have it").click()
    expect(page.get_by_role("row", name=re.compile("my-notebook"))).to_contain_text("Active")
    expect(page.locator("body")).not_to_contain_text(text)


def test_a_new_call_appears_on_the_overview_without_a_reload(company: Company, visit: Visitor) -> None:
    window = visit()
    window.log_in(company.person("admin").email, PASSWORD)
    keys = window.page.get_by_label("Top keys")
    before = keys.get_by_role("row", name=re.compile("search-ada")).text_content()

    book(company, Call(key="search-ada", model="falcon-large", at=utc_now(), read=9_000_000, written=1_000_000))

    expect(keys.get_by_role("row", name=re.compile("search-ada"))).not_to_have_text(before or "", timeout=20_000)
    expect(keys.get_by_role("row", name=re.compile("search-ada"))).to_contain_text("$32.50")


def test_an_administrator_follows_a_charge_to_its_postings(company: Company, visit: Visitor) -> None:
    window = visit()
    window.log_in(company.person("admin").email, PASSWORD)
    page = window.page
    page.get_by_label("Top keys").get_by_role("link", name="lab").click()
    page.locator("tbody a").first.click()

    expect(page.get_by_text("Every figure below adds up")).to_be_visible()
    expect(page.get_by_role("heading", name="Booked in the ledger")).to_be_visible()


def test_revoking_a_key_asks_first_and_can_be_called_off(company: Company, visit: Visitor) -> None:
    window = visit()
    window.log_in(company.person("owner").email, PASSWORD)
    page = window.page
    window.open("/keys/")
    page.get_by_role("link", name="Revoke search-production").click()
    page.get_by_role("link", name="Keep it").click()
    expect(page.locator("main")).to_contain_text("Active")

    page.get_by_role("link", name="Revoke").click()
    page.get_by_label("Reason").fill("left in a repository")
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_role("row", name=re.compile("search-production"))).to_contain_text("Revoked")


def test_everything_can_be_reached_by_keyboard(company: Company, visit: Visitor) -> None:
    window = visit()
    window.log_in(company.person("admin").email, PASSWORD)
    page = window.page
    window.open("/requests/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    expect(page.get_by_label("Team")).to_be_focused()


def test_a_chosen_theme_stays(company: Company, visit: Visitor) -> None:
    window = visit(theme="light")
    window.log_in(company.person("admin").email, PASSWORD)
    page = window.page
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Theme").click()
    window.open("/budgets/")

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_the_menu_opens_on_a_phone(company: Company, visit: Visitor) -> None:
    window = visit(width=390, height=844)
    window.log_in(company.person("admin").email, PASSWORD)
    page = window.page
    expect(page.get_by_role("link", name="Budgets", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("button", name="Menu")).to_have_attribute("aria-expanded", "true")
    page.get_by_role("link", name="Budgets", exact=True).click()
    expect(page.get_by_role("heading", name="Budgets")).to_be_visible()


def test_nothing_works_around_the_content_security_policy(company: Company, visit: Visitor) -> None:
    window = visit()
    window.open("/account/login/")
    window.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    window.page.wait_for_function("true")

    assert any("Content Security Policy" in complaint for complaint in window.complaints)
    window.complaints.clear()
