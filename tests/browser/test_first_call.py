"""The whole product in a browser: a real `bursar up`, a key issued, a call with it, and the call explained."""

import re

from openai import OpenAI
from playwright.sync_api import Browser, expect

from tests.installation import Installation


def test_a_new_administrator_issues_a_key_calls_with_it_and_sees_the_call(browser: Browser) -> None:
    with Installation() as installation:
        facts = installation.start()
        page = browser.new_page()
        complaints: list[str] = []
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
        )
        page.goto(facts["console_url"] + "/account/login/")
        page.get_by_label("Email").fill(facts["admin_user"])
        page.get_by_label("Password").fill(facts["admin_password"])
        page.get_by_role("button", name="Log in", exact=True).click()
        page.get_by_role("link", name="Keys").click()
        page.get_by_role("link", name="Issue a key").click()
        page.get_by_role("textbox", name="Name").fill("from-the-browser")
        page.get_by_role("button", name="Issue the key").click()
        key = page.locator("#key-text").text_content() or ""
        page.get_by_role("link", name="Overview").click()

        client = OpenAI(base_url=facts["gateway_url"] + "/v1", api_key=key)
        client.chat.completions.create(model="sandbox-1", messages=[{"role": "user", "content": "Hello"}])

        # Nothing is reloaded: the page asks for news by itself.
        row = page.get_by_label("Top keys").get_by_role("row", name=re.compile("from-the-browser"))
        expect(row).to_be_visible(timeout=30_000)
        row.get_by_role("link").click()
        page.locator("tbody a").first.click()
        expect(page.get_by_text("Every figure below adds up")).to_be_visible()
        page.close()
        assert complaints == []
