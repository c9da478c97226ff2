"""Coming in: by an invitation with the keyboard alone, and by a passkey."""

from urllib.parse import urlsplit

from tests.browser.conftest import Visitor
from tests.console.demo import PASSWORD, Company

CHOSEN = "a long password of words"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


def test_somebody_is_invited_and_comes_in_by_keyboard(company: Company, visit: Visitor) -> None:
    window = visit()
    window.log_in(company.person("admin").email, PASSWORD)
    window.open("/people/invite/")
    window.type_into("E-mail address", "grace@acme.example")
    window.page.get_by_label("Auditor").press("Space")
    window.page.keyboard.press("Enter")
    link = urlsplit(window.page.locator("#link-text").inner_text()).path
    theirs = visit(width=390)
    theirs.open(link)
    theirs.type_into("Password", CHOSEN)
    theirs.page.keyboard.press("Tab")
    theirs.type_into("The same again", CHOSEN)
    theirs.page.keyboard.press("Enter")
    theirs.page.wait_for_url("**/account/login/**")
    theirs.log_in("grace@acme.example", CHOSEN)


def test_somebody_adds_a_passkey_and_logs_in_with_it_under_the_strict_policy(company: Company, visit: Visitor) -> None:
    window = visit()
    devices = window.page.context.new_cdp_session(window.page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    window.log_in(company.person("admin").email, PASSWORD)
    window.open("/account/2fa/webauthn/add/")
    window.page.get_by_label("Password").fill(PASSWORD)
    window.page.keyboard.press("Enter")
    window.page.wait_for_url("**/webauthn/add/**")
    window.page.locator("input[name=passwordless]").check()
    window.page.locator("#mfa_webauthn_add").click()
    window.page.wait_for_url("**/recovery-codes/**")
    window.page.context.clear_cookies()
    window.open("/account/login/")
    window.page.get_by_role("button", name="Use a passkey").click()
    window.page.wait_for_url(window.address + "/")
