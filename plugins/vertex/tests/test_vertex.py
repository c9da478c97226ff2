"""Vertex AI conforms, finds its addresses, and describes how a service account's key becomes a token."""

import json

import pytest
from bursar_plugin_vertex import Vertex

from governance.plugin import ConnectionInvalid, ConnectionSettings, TokenGrant, Wire
from governance.plugin.gemini import count_fields
from governance.plugin.splicing import Members
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject, check_recorded_reply
from tests.support.recordings import counted, exchange

PROVIDER = Vertex()
OPTIONS = {"project": "acme-ai", "location": "europe-west4"}
KEY_FILE = {
    "type": "service_account",
    "project_id": "acme-ai",
    "private_key_id": "k1",
    "private_key": "a-key-in-pem-canary",
    "client_email": "robot@acme-ai.iam.gserviceaccount.com",
    "token_uri": "https://evil.example.test/token",
}
SUBJECT = Subject(provider=PROVIDER, base_url="https://api.example.test/v1", options=OPTIONS)


def connection(base_url: str = "https://aiplatform.googleapis.com", **options: str) -> ConnectionSettings:
    return ConnectionSettings(
        id=1, name="google", base_url=base_url, credential="a-token", options={"project": "acme-ai", **options}
    )


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
def test_the_provider_conforms(check: ProviderCheck) -> None:
    check(SUBJECT)


@pytest.mark.parametrize(
    ("options", "host", "location"),
    [
        ({}, "aiplatform.googleapis.com", "global"),
        ({"location": "europe-west4"}, "europe-west4-aiplatform.googleapis.com", "europe-west4"),
    ],
)
def test_the_address_names_project_and_location(options: dict[str, str], host: str, location: str) -> None:
    upstream = PROVIDER.upstream(wire=Wire.GEMINI_GENERATE, connection=connection(**options))
    models = f"https://{host}/v1/projects/acme-ai/locations/{location}/publishers/google/models"
    assert upstream.url == f"{models}/{{model}}:generateContent"
    assert upstream.stream_url == f"{models}/{{model}}:streamGenerateContent"
    assert dict(upstream.headers)["authorization"] == "Bearer a-token"


@pytest.mark.parametrize("options", [{"project": ""}, {"project": "a/b"}, {"location": "eu west"}, {"zone": "eu"}])
def test_an_option_that_names_nothing_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConnectionInvalid, match="option"):
        PROVIDER.upstream(wire=Wire.GEMINI_GENERATE, connection=connection(**options))


@pytest.mark.parametrize("wrapping", ["generateContentRequest", "generate_content_request"])
def test_a_request_to_be_counted_comes_out_of_the_wrapping_that_only_geminis_own_api_has(wrapping: str) -> None:
    wrapped = {"model": "models/flash", "contents": [], "systemInstruction": {}, "toolConfig": {}}
    members = Members(json.dumps({wrapping: wrapped}).encode())
    fields = count_fields(members, model="flash")
    edits = PROVIDER.body_edits(wire=Wire.GEMINI_COUNT_TOKENS, connection=connection(), fields=fields)
    assert json.loads(members.splice(edits)) == {"contents": [], "systemInstruction": {}}
    bare = count_fields(Members(b'{"contents":[]}'), model="flash")
    assert PROVIDER.body_edits(wire=Wire.GEMINI_COUNT_TOKENS, connection=connection(), fields=bare) == {}


def grant(credential: str) -> TokenGrant | None:
    return PROVIDER.token_grant(
        connection=ConnectionSettings(id=1, name="google", base_url="", credential=credential, options=OPTIONS)
    )


def test_the_key_signs_for_googles_own_token_endpoint_whatever_the_file_says() -> None:
    described = grant(json.dumps(KEY_FILE))
    assert described is not None and described.assertion is not None
    assert described.url == "https://oauth2.googleapis.com/token"
    assert described.assertion.claims == {
        "iss": "robot@acme-ai.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
    }
    assert (described.assertion.private_key, described.assertion.key_id) == (KEY_FILE["private_key"], "k1")


@pytest.mark.parametrize(
    "credential", ["AIza-canary", "{}", "[]", json.dumps({**KEY_FILE, "type": "authorized_user"}), "[" * 100_000]
)
def test_what_is_no_key_file_is_refused_without_repeating_it(credential: str) -> None:
    with pytest.raises(ConnectionInvalid, match="service account") as refused:
        grant(credential)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "wire", "counts", "tier"),
    [
        ("vertex-generateContent.json", Wire.GEMINI_GENERATE, {"input": 13, "output": 8}, "standard"),
        ("vertex-flex-tier.json", Wire.GEMINI_GENERATE, {"input": 5, "output": 1, "reasoning": 51}, "flex"),
        ("vertex-embedding-2-usageMetadata.json", Wire.GEMINI_EMBED, {"input": 11}, None),
    ],
)
def test_recorded_replies_are_read(name: str, wire: Wire, counts: dict[str, int], tier: str | None) -> None:
    body = exchange(name)["response"]["body"].encode()
    report = check_recorded_reply(SUBJECT, wire=wire, body=body)
    assert counted(report) == counts
    assert report.service_tier == tier
