"""Bedrock conforms; it finds its hosts, signs as AWS checks, and asks for Claude models as their API there has it."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from bursar_plugin_bedrock import Bedrock

from governance.plugin import Billing, ConnectionInvalid, ConnectionSettings, RequestUnbounded, Wire
from governance.plugin.anthropic_messages import read_messages_request
from governance.plugin.splicing import splice
from governance.plugin.testing import CANARY, PROVIDER_CHECKS, ProviderCheck, Subject
from tests.support.aws import KEYS, TEMPORARY, signed_for

PROVIDER = Bedrock()
MESSAGES, COUNT, CHAT = Wire.ANTHROPIC_MESSAGES, Wire.ANTHROPIC_COUNT_TOKENS, Wire.OPENAI_CHAT
OUTSIDE = frozenset({"model", "stream", "service_tier", "anthropic_version", "anthropic_beta"})
SIGNING = json.dumps({**KEYS, "secret_access_key": CANARY})


def connection(base_url: str = "", *, credential: str = "an-api-key", **options: str) -> ConnectionSettings:
    return ConnectionSettings(
        id=1, name="aws", base_url=base_url or PROVIDER.default_base_url, credential=credential, options=options
    )


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("credential", "api"),
    [(CANARY, "invoke"), (SIGNING, "invoke"), (SIGNING, "messages")],
    ids=["api-key", "access-keys", "messages-api"],
)
def test_the_provider_conforms(check: ProviderCheck, credential: str, api: str) -> None:
    check(
        Subject(
            provider=PROVIDER,
            base_url="https://api.example.test/v1",
            options={"region": "eu-central-1", "api": api},
            credential=credential,
            outside=OUTSIDE,
        )
    )


@pytest.mark.parametrize(
    ("base_url", "options", "host"),
    [
        ("", {}, "bedrock-runtime.us-east-1.amazonaws.com"),
        ("", {"region": "eu-central-1"}, "bedrock-runtime.eu-central-1.amazonaws.com"),
        ("https://bedrock-runtime.ap-southeast-2.amazonaws.com", {}, "bedrock-runtime.ap-southeast-2.amazonaws.com"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/", {}, None),
        ("https://vpce-1a.bedrock-runtime.eu-west-1.vpce.amazonaws.com", {"region": "eu-west-1"}, None),
    ],
)
def test_the_host_is_the_regions_or_the_connections_own(
    base_url: str, options: dict[str, str], host: str | None
) -> None:
    upstream = PROVIDER.upstream(wire=MESSAGES, connection=connection(base_url, **options))
    at = f"https://{host or urlsplit(base_url).netloc}"
    assert upstream.url == f"{at}/model/{{model}}/invoke"
    assert upstream.stream_url == f"{at}/model/{{model}}/invoke-with-response-stream"
    chat = PROVIDER.upstream(wire=CHAT, connection=connection(base_url, **options))
    assert (chat.url, chat.stream_url) == (f"{at}/openai/v1/chat/completions", "")
    assert dict(upstream.headers)["authorization"] == "Bearer an-api-key" and not upstream.is_signed


def test_the_messages_api_has_the_wire_as_it_is() -> None:
    settings = connection(api="messages", region="eu-west-1")
    upstream = PROVIDER.upstream(wire=MESSAGES, connection=settings)
    assert upstream.url == "https://bedrock-runtime.eu-west-1.amazonaws.com/anthropic/v1/messages"
    assert upstream.takes_client_headers and "anthropic-version" in dict(upstream.headers)
    fields = read_messages_request(request(stream=True))
    assert PROVIDER.body_edits(wire=MESSAGES, connection=settings, fields=fields) == {}


@pytest.mark.parametrize(
    ("base_url", "options", "sentence"),
    [
        ("", {"zone": "eu"}, "unknown option 'zone'"),
        ("", {"api": "converse"}, "must be invoke or messages"),
        ("", {"region": "Frankfurt"}, "must be a region of AWS"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com", {"region": "us-east-1"}, "leave one out"),
    ],
)
def test_a_region_that_cannot_be_is_refused(base_url: str, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConnectionInvalid, match=sentence):
        PROVIDER.upstream(wire=MESSAGES, connection=connection(base_url, **options))


@pytest.mark.parametrize(
    "credential",
    [
        "{",
        "{}",
        json.dumps({**KEYS, "access_key_id": "canary"}),
        json.dumps({**KEYS, "region": "canary"}),
        json.dumps({**KEYS, "session_token": "canary\r\nx: y"}),
    ],
)
def test_what_are_no_access_keys_is_refused_without_repeating_them(credential: str) -> None:
    with pytest.raises(ConnectionInvalid, match="access keys") as refused:
        PROVIDER.upstream(wire=MESSAGES, connection=connection(credential=credential))
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("keys", [KEYS, TEMPORARY], ids=["static", "temporary"])
@pytest.mark.parametrize("model", ["us.anthropic.claude-sonnet-4-5-20250929-v1%3A0", "arn%3Aaws%3Abedrock%3A%2Fx"])
def test_a_signature_holds_as_aws_checks_it(keys: dict[str, str], model: str) -> None:
    settings = connection(credential=json.dumps(keys), region="eu-central-1")
    url = PROVIDER.upstream(wire=MESSAGES, connection=settings).url.replace("{model}", model)
    upstream = PROVIDER.upstream(wire=MESSAGES, connection=settings)
    described = type(upstream)(url=url, headers=upstream.headers, is_signed=True)
    signature = dict(PROVIDER.signature(connection=settings, upstream=described, body=b'{"a":1}'))
    sent = {**dict(upstream.headers), "host": urlsplit(url).netloc, **signature}
    region = signed_for(path=urlsplit(url).path, headers=sent, body=b'{"a":1}', secret=keys["secret_access_key"])
    assert region == "eu-central-1"
    assert signature.get("x-amz-security-token") == keys.get("session_token")
    assert ("x-amz-security-token" in signature["authorization"]) == ("session_token" in keys)


@pytest.mark.parametrize(
    ("model", "wire"),
    [
        ("anthropic.claude-sonnet-5", MESSAGES),
        ("us.anthropic.claude-sonnet-5", MESSAGES),
        ("us-gov.anthropic.claude-sonnet-5", MESSAGES),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-opus-5", MESSAGES),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3", MESSAGES),
        ("openai.gpt-oss-120b-1:0", CHAT),
        ("qwen.qwen3-32b-v1:0", CHAT),
    ],
)
def test_each_makers_models_are_served_in_one_wire(model: str, wire: Wire) -> None:
    served = {each for each in PROVIDER.wires if PROVIDER.serves(wire=each, model=model)}
    assert served == ({MESSAGES, COUNT} if wire is MESSAGES else {CHAT})


def request(**fields: Any) -> bytes:
    messages = [{"role": "user", "content": "Hello"}]
    return json.dumps({"model": "claude", "max_tokens": 64, "messages": messages, **fields}).encode()


def test_the_body_keeps_its_bytes_but_for_what_stands_elsewhere() -> None:
    body = b'{ "model":"claude", "max_tokens": 64,"stream" :true,"messages":[{"role":"user","content":"H\\u00e4"}]}'
    edits = PROVIDER.body_edits(wire=MESSAGES, connection=connection(), fields=read_messages_request(body))
    assert splice(body, edits) == (
        b'{ "max_tokens": 64,"messages":[{"role":"user","content":"H\\u00e4"}],'
        b'"anthropic_version":"bedrock-2023-05-31"}'
    )


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"inference_geo": "us"}, "name another model"),
        ({"speed": "fast"}, "remove the field 'speed'"),
        ({"service_tier": "priority"}, "remove the field 'service_tier'"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "no known bound"),
    ],
)
def test_what_this_api_has_no_price_for_is_refused(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestUnbounded, match=sentence):
        PROVIDER.bound(wire=MESSAGES, connection=connection(), fields=read_messages_request(request(**asked)))


@pytest.mark.parametrize(
    ("status", "message", "billing", "is_retryable", "may_work_elsewhere"),
    [
        (400, "The provided model identifier is invalid.", Billing.UNBILLED, False, True),
        (400, "messages: roles must alternate", Billing.UNBILLED, False, False),
        (403, "The security token included in the request is invalid.", Billing.UNBILLED, False, True),
        (404, "The requested resource could not be found.", Billing.UNBILLED, False, True),
        (408, "Model took too long.", Billing.UNKNOWN, True, True),
        (424, "The model failed.", Billing.UNKNOWN, True, True),
        (429, "Too many requests, please wait before trying again.", Billing.UNBILLED, True, True),
        (429, "Too many tokens per day, please wait before trying again.", Billing.UNBILLED, False, True),
        (503, "Bedrock is unable to process your request.", Billing.UNKNOWN, True, True),
    ],
)
def test_trap_24_each_error_says_what_it_costs_and_whether_another_attempt_is_worth_it(
    status: int, message: str, billing: Billing, is_retryable: bool, may_work_elsewhere: bool
) -> None:
    body = json.dumps({"message": message}).encode()
    reading = PROVIDER.read_error(wire=MESSAGES, status=status, body=body)
    assert (reading.billing, reading.is_retryable, reading.may_work_elsewhere) == (
        billing,
        is_retryable,
        may_work_elsewhere,
    )
    said = json.loads(PROVIDER.error_in_wire(wire=MESSAGES, status=status, body=body))
    assert (said["type"], said["error"]["message"]) == ("error", message)
    assert json.loads(PROVIDER.error_in_wire(wire=CHAT, status=status, body=body))["error"]["message"] == message
