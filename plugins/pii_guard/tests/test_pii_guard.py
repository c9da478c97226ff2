"""What the guards find, what they leave alone, and that no text keeps them for ever."""

import pytest
from bursar_plugin_pii_guard.personal import PersonalDataGuard
from bursar_plugin_pii_guard.secrets import SecretsGuard

from governance.plugin import Guard

SECRETS, PERSONAL = SecretsGuard(), PersonalDataGuard()
KEY_LINES = "\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n"


def kept_apart(*parts: str) -> str:
    """Join what must not stand in one piece in a source file: scanners would find it there."""
    return "".join(parts)


SECRET_TEXTS = [
    ("AWS key", kept_apart("AKI", "AQYLPMN5HFIQR7XYA")),
    ("Azure storage key", kept_apart("Account", "Key=", "a" * 88)),
    ("GitHub token", kept_apart("gh", "p_", "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8")),
    ("GitLab token", kept_apart("glp", "at-", "A1b2C3d4E5f6G7h8I9j0")),
    ("Mailchimp key", kept_apart("0123456789abcdef" * 2, "-us", "12")),
    ("PyPI token", kept_apart("pypi-", "AgEIcHlwaS5vcmc", "x" * 70)),
    ("SendGrid key", kept_apart("SG", ".", "a" * 22, ".", "b" * 43)),
    ("Slack token", kept_apart("xo", "xb-", "123456789012-123456789012-abcdef")),
    ("Square secret", kept_apart("sq0", "csp-", "a" * 43)),
    ("Stripe key", kept_apart("sk_", "live_", "a1" * 12)),
    ("Telegram token", kept_apart("123456789", ":", "A" * 35)),
    ("Twilio key", kept_apart("S", "K", "0a" * 16)),
    ("web token", kept_apart("ey", "JhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxIn0.", "c2lnbmF0dXJl")),
    ("npm token", kept_apart("np", "m_", "A1" * 18)),
    ("API key", kept_apart("s", "k-", "proj-", "A1b2" * 10)),
    ("API key", kept_apart("s", "k-", "ant-api03-", "A1b2" * 10)),
    ("Google API key", kept_apart("AI", "za", "S1" * 17, "x")),
    ("virtual key", kept_apart("bs", "r_", "A1b2C3d4E5f6_", "A1" * 21, "x_", "abcdef")),
    ("private key", kept_apart("-----BEGIN ", "PRIVATE KEY-----", KEY_LINES, "-----END ", "PRIVATE KEY-----")),
    ("private key", kept_apart("-----BEGIN RSA ", "PRIVATE KEY-----", KEY_LINES, "-----END RSA ", "PRIVATE KEY-----")),
]
PERSONAL_TEXTS = [
    ("e-mail address", "ada.lovelace+spam@mail.example.co.uk"),
    ("e-mail address", "o'brien@example.com"),
    ("card number", "4111 1111 1111 1111"),
    ("card number", "4111111111111111"),
    ("card number", "5555-5555-5555-4444"),
    ("card number", "3782 822463 10005"),
    ("IBAN", "DE89 3704 0044 0532 0130 00"),
    ("IBAN", "GB82WEST12345698765432"),
    ("phone number", "+49 30 901820"),
    ("phone number", "+1 (212) 736-5000"),
    ("social security number", "536-90-4399"),
    ("identity number", "54362315K"),
    ("identity number", "X-2482300W"),
    ("identity number", "295109912611193"),
    ("identity number", "RCCMNL83S18D969H"),
    ("identity number", "390.533.447-05"),
]


@pytest.mark.parametrize(
    ("guard", "kind", "text"),
    [
        *((SECRETS, *each) for each in SECRET_TEXTS),
        *((PERSONAL, *each) for each in PERSONAL_TEXTS),
    ],
)
def test_it_is_found_as_it_stands_within_a_text(guard: Guard, kind: str, text: str) -> None:
    for around in ("{}", "see {} there", "für:\n{}\n", '{{"a": "{}"}}', "({})."):
        whole = around.format(text)
        found = [(finding.kind, whole[finding.start : finding.end]) for finding in guard.find(whole)]
        assert (kind, text) in found


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://app:hunter2@db/x", "hunter2"),
        (
            "aws_secret_access_key = '" + "wJalr/XUtnFEMI+K7MDENGbPxRfiCY0123456789" + "'",
            "wJalr/XUtnFEMI+K7MDENGbPxRfiCY0123456789",
        ),
    ],
)
def test_of_a_secret_told_by_what_stands_before_it_only_the_secret_is_found(text: str, secret: str) -> None:
    assert [text[finding.start : finding.end] for finding in SECRETS.find(text)] == [secret]


def test_a_private_key_without_an_end_goes_on_to_the_end_of_the_text() -> None:
    text = "see " + kept_apart("-----BEGIN EC ", "PRIVATE KEY-----", KEY_LINES)
    assert [(finding.start, finding.end) for finding in SECRETS.find(text)] == [(4, len(text))]


@pytest.mark.parametrize("text", [
    "sk-learn-estimator-doc-link-fitted", "https://example.com/a:b@c", "eyJhbGciOiJIUzI1NiJ9", "AKIA", "npm_install",
    "-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", "ghp_short", "a" * 4000, "",
])  # fmt: skip
def test_innocent_words_are_no_secrets(text: str) -> None:
    assert list(SECRETS.find(text)) == []


@pytest.mark.parametrize("text", [
    "4111 1111 1111 1112", "1732531234567", "1329871273987129347", "12.345.678", "user@localhost", "@everyone",
    "DE89 3704 0044 0532 0130 01", "+1 555", "000-00-0000", "54362315A", "2026-11-25 11:00:00.123456",
    "3.141592653589793238", "1234567890123456789012345678901234567890", "",
])  # fmt: skip
def test_numbers_that_mean_something_else_are_left_alone(text: str) -> None:
    assert list(PERSONAL.find(text)) == []


def test_what_follows_a_number_does_not_hide_it() -> None:
    text = "4111 1111 1111 1111 123, DE89 3704 0044 0532 0130 00 PAID, +1 212 736 5000 2026"
    found = [text[finding.start : finding.end] for finding in PERSONAL.find(text)]
    assert found == ["4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "+1 212 736 5000"]


BEGINNINGS = [
    "eyJ", "eyJ.", "sk-", "sk-a", "//", "https://", "://a:", "@", "a@", "a@a.", "a.", "bsr_A1b2C3_", "-----BEGIN ",
    "AIza", kept_apart("-----BEGIN ", "PRIVATE KEY-----"), "aws key '", "xoxb-1-", "1", "4 ", "1 1", "+1", "+1 ",
    "AB12", "AB12 ", "AB12C", "glagent-", "pypi-AgEIcHlwaS5vcmc", "https://hooks.slack.com/services/T", "0a-",
    "ABCDEF00A00A000", "111.", "M.", "[", "\\", " ",
]  # fmt: skip


@pytest.mark.parametrize("guard", [SECRETS, PERSONAL], ids=lambda guard: guard.name)
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_long_text_of_beginnings_comes_to_an_end(guard: Guard, beginning: str) -> None:
    """A pattern whose time grew with the square of the length would take very long here."""
    text = beginning * (200_000 // len(beginning))
    assert all(0 <= finding.start < finding.end <= len(text) for finding in guard.find(text))
