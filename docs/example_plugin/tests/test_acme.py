"""Acme conforms, and its key is where Acme wants it."""

import pytest
from bursar_plugin_acme import Acme

from governance.plugin import Wire
from governance.plugin.testing import CANARY, PROVIDER_CHECKS, ProviderCheck, Subject

SUBJECT = Subject(provider=Acme(), base_url="https://api.acme.example/v1")


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
def test_the_provider_conforms(check: ProviderCheck) -> None:
    check(SUBJECT)


def test_the_key_goes_into_acmes_own_header() -> None:
    upstream = Acme().upstream(wire=Wire.OPENAI_CHAT, connection=SUBJECT.connection())
    assert dict(upstream.headers) == {"content-type": "application/json", "acme-api-key": CANARY}
