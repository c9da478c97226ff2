"""What people do in the console, in a real browser. The fixture `visit` fails a test whose pages complain."""

import re
from typing import Literal

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


def test_every_column_of_a_chart_is_within_it_and_reports_follow_the_days(company: Company, visit: Visitor) -> None:
    window = visit(width=390)
    window.log_in(company.person("finance").email, PASSWORD)
    window.open("/reports/?since=2026-01-01&until=2026-12-31")
    chart, columns = window.page.locator(".chart"), window.page.locator(".chart-column")
    expect(columns).to_have_count(12)
    last, whole = columns.last.bounding_box(), chart.bounding_box()
    assert last is not None
    assert whole is not None
    assert last["x"] + last["width"] <= whole["x"] + whole["width"]

    window.page.get_by_role("link", name="Last 90 days").click()
    expect(window.page.get_by_role("heading", name="Spend per month")).to_be_visible()
    window.page.get_by_role("link", name="This month").click()
    expect(window.page.get_by_role("heading", name="Spend per day")).to_be_visible()
    with window.page.expect_download() as download:
        window.page.get_by_role("link", name="CSV").click()
    assert "Spend (USD)" in download.value.path().read_text()


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


def test_an_administrator_makes_a_route_and_sees_what_would_become_of_a_call(company: Company, visit: Visitor) -> None:
    window = visit()
    window.log_in(company.person("admin").email, PASSWORD)
    page = window.page
    page.get_by_role("link", name="Routes").click()
    page.get_by_role("link", name="Make a route").click()
    page.get_by_role("textbox", name="Name").fill("everyday")
    page.get_by_label("Place of sandbox/falcon-mini").fill("1")
    page.get_by_label("Place of sandbox/falcon-large").fill("2")
    page.get_by_role("combobox", name="Chosen").select_option("price")
    page.get_by_role("button", name="Make the route").click()
    page.get_by_role("combobox", name="Team").select_option(label="research")
    page.get_by_role("button", name="Try it").click()

    expect(page.get_by_role("row").filter(has_text="1. sandbox/falcon-mini")).to_contain_text("the least comes first")
    expect(page.get_by_role("row").filter(has_text="2. sandbox/falcon-large")).to_be_visible()


def test_an_auditor_asks_who_may_call_what_and_proves_the_trail(company: Company, visit: Visitor) -> None:
    window = visit(width=390)
    window.log_in(company.person("auditor").email, PASSWORD)
    page = window.page
    window.open("/allow-lists/")
    page.get_by_role("textbox", name="May they call").fill("sandbox-1")
    page.get_by_role("combobox", name="Team").select_option(label="search")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("status").filter(has_text="may not call")).to_contain_text("team search")

    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Audit trail").click()
    page.get_by_text("1 field").first.click()
    expect(page.get_by_text("the fair is over")).to_be_visible()
    page.get_by_role("link", name="Verify").click()
    page.get_by_role("button", name="Verify the trail").click()
    expect(page.get_by_role("status").filter(has_text="events verify")).to_be_visible()
    window.open("/audit/")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Export CSV").click()
    assert taken.value.suggested_filename.startswith("audit-")


def test_finance_checks_a_file_of_limits_before_it_is_applied(company: Company, visit: Visitor) -> None:
    window = visit()
    window.log_in(company.person("finance").email, PASSWORD)
    page = window.page
    page.get_by_role("link", name="Budgets", exact=True).click()
    page.get_by_role("link", name="Load a file").click()
    page.get_by_label("Or its text").fill("name,limit_usd\nSearch,175.50\n")
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", name="nothing is changed yet")).to_be_visible()
    page.get_by_role("button", name="Make the changes").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    window.open("/budgets/")
    expect(page.get_by_role("row", name=re.compile("^Search per month"))).to_contain_text("$175.50")


def test_a_new_request_comes_by_itself_where_requests_are_followed(company: Company, visit: Visitor) -> None:
    window = visit()
    window.log_in(company.person("admin").email, PASSWORD)
    page = window.page
    window.open("/requests/")
    page.get_by_role("link", name="Follow live").click()
    book(company, Call(key="lab", model="falcon-mini", at=utc_now(), read=7_654_321, written=1))
    expect(page.get_by_role("row", name=re.compile("7,654,321"))).to_be_visible(timeout=20_000)


def test_from_log_in_to_a_team_with_a_budgeted_key_takes_eight_clicks(company: Company, visit: Visitor) -> None:
    """Nothing is read but the page itself: each step is offered where the one before ends."""
    window = visit()
    page = window.page
    clicks = 0

    def click(role: Literal["link", "button"], name: str) -> None:
        nonlocal clicks
        page.get_by_role(role, name=name, exact=True).click()
        clicks += 1

    window.log_in(company.person("admin").email, PASSWORD)
    clicks += 1
    click("link", "Teams")
    click("link", "Make a team")
    page.get_by_label("Name", exact=True).fill("Forecasting")
    page.get_by_label("Unit").fill("Product")
    page.get_by_label("Cost centre").fill("CC-700")
    click("button", "Make the team")
    click("link", "Set a budget")
    expect(page.get_by_label("Name")).to_have_value("Team Forecasting")
    page.get_by_label("Limit in USD").fill("500")
    click("button", "Set the budget")
    click("link", "Issue a key")
    page.get_by_role("textbox", name="Name").fill("forecasting-production")
    click("button", "Issue the key")

    key = company.organisation.keys.get(name="forecasting-production")
    assert key.team.name == "Forecasting"
    assert key.team.budgets.get().limit_nano == 500 * 10**9
    assert clicks == 8
