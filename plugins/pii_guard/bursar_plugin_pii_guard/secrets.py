"""Secrets that can be told by their form: keys and tokens of well-known services, passwords in URLs, private keys.

Most forms are those of detect-secrets. Three of its own are not used, because on a text made for it they take time that
grows with the square of its length (web tokens, npm, OpenAI), and its private keys are found by their first line only:
these have patterns here. Every pattern passes over a text in time that grows with its length.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, cast

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from governance.plugin import Finding

_PRIVATE_KEY = r"(?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"


class _Form(NamedTuple):
    kind: str
    pattern: re.Pattern[str]
    group: int = 0
    """What of a match is the secret: 0 is all of it."""


_DETECTORS: Final[tuple[tuple[str, type[RegexBasedDetector]], ...]] = (
    ("AWS key", AWSKeyDetector),
    ("Azure storage key", AzureStorageKeyDetector),
    ("password in a URL", BasicAuthDetector),
    ("Discord token", DiscordBotTokenDetector),
    ("GitHub token", GitHubTokenDetector),
    ("GitLab token", GitLabTokenDetector),
    ("Mailchimp key", MailchimpDetector),
    ("PyPI token", PypiTokenDetector),
    ("SendGrid key", SendGridDetector),
    ("Slack token", SlackDetector),
    ("Square secret", SquareOAuthDetector),
    ("Stripe key", StripeDetector),
    ("Telegram token", TelegramBotTokenDetector),
    ("Twilio key", TwilioKeyDetector),
)
_SECRET_IS_A_GROUP: Final = frozenset({"AWS key", "password in a URL"})
# A lookbehind stands after the first letters: those are searched for much faster.
_OWN: Final = (
    # RFC 7468; without an end, all that follows.
    _Form("private key", re.compile(rf"-----BEGIN {_PRIVATE_KEY}[\s\S]*?(?:-----END {_PRIVATE_KEY}|\Z)")),
    # RFC 7519: three parts in base64url, of which two are JSON objects.
    _Form("web token", re.compile(r"eyJ(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]++\.eyJ[A-Za-z0-9_-]++\.[A-Za-z0-9_-]*+")),
    _Form("npm token", re.compile(r"npm_(?<![A-Za-z0-9]npm_)[A-Za-z0-9]{36}(?![A-Za-z0-9])")),
    # OpenAI, Anthropic and others whose API speaks theirs.
    _Form("API key", re.compile(r"sk-(?<![A-Za-z0-9_-]sk-)(?=[A-Za-z_-]*+\d)[A-Za-z0-9_-]{20,}+")),
    _Form("Google API key", re.compile(r"AIza(?<![A-Za-z0-9_-]AIza)[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])")),
    # One of Bursar's own.
    _Form("virtual key", re.compile(r"bsr_(?<![A-Za-z0-9]bsr_)[A-Za-z0-9]{6,64}_[A-Za-z0-9]{40,128}_[A-Za-z0-9]++")),
)


class SecretsGuard:
    """The guard `secrets`."""

    name = "secrets"
    title = "Keys and tokens of well-known services, passwords in URLs, private keys"

    def __init__(self) -> None:
        self._forms = (*_forms(), *_OWN)

    def find(self, text: str) -> Sequence[Finding]:
        """See Guard."""
        return [
            Finding(*match.span(group), kind)
            for kind, pattern, group in self._forms
            for match in pattern.finditer(text)
        ]


def _forms() -> list[_Form]:
    return [
        _Form(kind, pattern, pattern.groups if kind in _SECRET_IS_A_GROUP else 0)
        for kind, detector in _DETECTORS
        # Said there to be a method of each detector; it is a list of each class.
        for pattern in cast("Iterable[re.Pattern[str]]", detector.denylist)
    ]
