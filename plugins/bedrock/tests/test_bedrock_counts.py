"""Counts: the question in Bedrock's envelope as AWS's own client writes it, where it goes, and its answer."""

import json
from base64 import b64decode
from typing import Any

import pytest
from botocore import serialize
from botocore.session import get_session
from bursar_plugin_bedrock import Bedrock

from governance.plugin import ConnectionSettings, Wire
from governance.plugin.anthropic_messages import count_tokens_fields
from governance.plugin.splicing import Members

PROVIDER = Bedrock()
COUNT = Wire.ANTHROPIC_COUNT_TOKENS
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Hellö"}]}
VERSION = {"anthropic_version": "bedrock-2023-05-31"}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
MANTLE = "https://bedrock-mantle.eu-west-1.api.aws"


def connection(base_url: str = "", **options: str) -> ConnectionSettings:
    return ConnectionSettings(
        id=1, name="aws", base_url=base_url or PROVIDER.default_base_url, credential="an-api-key", options=options
    )


def awss_own(invoked: bytes) -> tuple[str, dict[str, Any]]:
    """Return path and body that AWS's own client would send for the tokens of this InvokeModel."""
    operation = get_session().get_service_model("bedrock-runtime").operation_model("CountTokens")
    asked = {"modelId": "anthropic.claude-opus-5", "input": {"invokeModel": {"body": invoked}}}
    request = serialize.create_serializer("rest-json").serialize_to_request(asked, operation)
    return request["url_path"], json.loads(request["body"])


@pytest.mark.parametrize(
    ("fields", "betas", "added"),
    [
        ({}, (), {"max_tokens": 1}),
        (THINKING, ("context-1m",), {"anthropic_beta": ["context-1m"], "max_tokens": 2049}),
        ({"thinking": {"budget_tokens": "many"}}, (), {"max_tokens": 1}),
        ({"thinking": {"budget_tokens": -9}}, (), {"max_tokens": 1}),
    ],
)
def test_the_question_is_the_one_of_awss_own_client(
    fields: dict[str, Any], betas: tuple[str, ...], added: dict[str, Any]
) -> None:
    members = Members(json.dumps({"model": "claude", **ASKED, **fields}).encode())
    read = count_tokens_fields(members, betas=betas)
    edits = PROVIDER.body_edits(wire=COUNT, connection=connection(api="messages"), fields=read)
    sent = json.loads(PROVIDER.enveloped(wire=COUNT, body=members.splice(edits)))
    invoked = b64decode(sent["input"]["invokeModel"]["body"])
    assert json.loads(invoked) == {**ASKED, **fields, **VERSION, **added}
    path, body = awss_own(invoked)
    assert sent == body
    url = PROVIDER.upstream(wire=COUNT, connection=connection()).url
    model = PROVIDER.addressed(wire=COUNT, model="eu.anthropic.claude-opus-5")
    assert url.replace("{model}", model).endswith(path)


def test_a_profile_stands_for_its_model_in_counts_alone() -> None:
    for model in ("us-gov.anthropic.claude-opus-5", "anthropic.claude-opus-5"):
        assert PROVIDER.addressed(wire=COUNT, model=model) == "anthropic.claude-opus-5"
        assert PROVIDER.addressed(wire=Wire.ANTHROPIC_MESSAGES, model=model) == model
    assert PROVIDER.addressed(wire=COUNT, model="arn:aws:bedrock:x") == "arn:aws:bedrock:x"


def test_the_other_endpoint_has_anthropics_own_counter() -> None:
    settings = connection(MANTLE, api="messages", region="eu-west-1")
    upstream = PROVIDER.upstream(wire=COUNT, connection=settings)
    assert (upstream.url, upstream.is_enveloped) == (f"{MANTLE}/anthropic/v1/messages/count_tokens", False)
    assert upstream.takes_client_headers
    fields = count_tokens_fields(Members(json.dumps({"model": "claude", **ASKED}).encode()))
    assert PROVIDER.body_edits(wire=COUNT, connection=settings, fields=fields) == {}


@pytest.mark.parametrize("body", [b"{}", b'{"inputTokens":-1}', b'{"input_tokens":4}', b"\xff"])
def test_what_is_no_count_stays_as_it_is(body: bytes) -> None:
    assert PROVIDER.opened(wire=COUNT, body=body) == body
    assert PROVIDER.opened(wire=COUNT, body=b'{"inputTokens": 4}') == b'{"input_tokens":4}'
