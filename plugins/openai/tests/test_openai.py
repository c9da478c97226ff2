"""OpenAI's provider conforms on every wire; its options, service tiers and errors mean what OpenAI says."""

import json

import pytest
from bursar_plugin_openai import OpenAI

from governance.plugin import (
    ConnectionInvalid,
    ConnectionSettings,
    GoverningFields,
    RequestUnbounded,
    Wire,
)
from governance.plugin.openai_chat import Members, read_chat_request
from governance.plugin.openai_embeddings import embeddings_fields
from governance.plugin.openai_responses import read_responses_request
from governance.plugin.provider import wires_of
from governance.plugin.testing import PROVIDER_CHECKS, ProviderCheck, Subject

PROVIDER = OpenAI()
BASE_URL = "https://api.openai.com/v1"
OPTIONS = {"organization": "org-1", "project": "proj_1", "project_service_tier": "priority"}


def connection(**options: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="ours", base_url=BASE_URL, credential="sk-1", options=options)


def fields(**values: object) -> GoverningFields:
    return read_responses_request(json.dumps({"model": "m", "input": "Hi", **values}).encode())


@pytest.mark.parametrize("check", PROVIDER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("options", [{}, OPTIONS])
def test_the_provider_conforms(check: ProviderCheck, options: dict[str, str]) -> None:
    check(Subject(provider=PROVIDER, base_url=BASE_URL, options=options))


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        (Wire.OPENAI_CHAT, "/v1/chat/completions"),
        (Wire.OPENAI_RESPONSES, "/v1/responses"),
        (Wire.OPENAI_INPUT_TOKENS, "/v1/responses/input_tokens"),
        (Wire.OPENAI_EMBEDDINGS, "/v1/embeddings"),
        (Wire.OPENAI_MODERATIONS, "/v1/moderations"),
    ],
)
def test_every_wire_has_its_path_and_names_whom_to_charge(wire: Wire, path: str) -> None:
    upstream = PROVIDER.upstream(wire=wire, connection=connection(organization="org-1", project="proj_1"))
    assert upstream.url == f"https://api.openai.com{path}"
    headers = dict(upstream.headers)
    assert headers["authorization"] == "Bearer sk-1"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")
    assert "openai-project" not in dict(PROVIDER.upstream(wire=wire, connection=connection()).headers)


def test_a_connection_of_models_that_know_responses_alone_speaks_nothing_else() -> None:
    assert wires_of(PROVIDER, connection(wires="responses")) == {Wire.OPENAI_RESPONSES, Wire.OPENAI_INPUT_TOKENS}
    assert wires_of(PROVIDER, connection()) == PROVIDER.wires


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"organisation": "org-1"}, "unknown option 'organisation'"),
        ({"organization": "org 1"}, "without spaces"),
        ({"project": ""}, "without spaces"),
        ({"project": "proj\r\nx-evil: 1"}, "without spaces"),
        ({"wires": "chat"}, "must be responses"),
        ({"project_service_tier": "scale"}, "must be default or flex or priority or ultrafast"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConnectionInvalid, match=sentence):
        PROVIDER.upstream(wire=Wire.OPENAI_CHAT, connection=connection(**options))


@pytest.mark.parametrize(
    ("asked", "options", "tiers"),
    [
        (None, {}, ()),
        ("auto", {}, ()),
        ("default", {"project_service_tier": "priority"}, ()),
        (None, {"project_service_tier": "default"}, ()),
        (None, {"project_service_tier": "priority"}, ("priority", "standard")),
        ("auto", {"project_service_tier": "flex"}, ("flex", "standard")),
        ("flex", {"project_service_tier": "priority"}, ("flex", "standard")),
        ("priority", {}, ("priority", "standard")),
        ("fast", {}, ("priority", "standard")),
        ("ultrafast", {}, ("ultrafast", "priority", "standard")),
    ],
)
@pytest.mark.parametrize("wire", [Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES])
def test_trap_15_a_tier_is_held_at_whatever_it_may_be_billed_at(
    wire: Wire, asked: str | None, options: dict[str, str], tiers: tuple[str, ...]
) -> None:
    body = json.dumps({"model": "m", "messages": [], "input": "Hi", "service_tier": asked}).encode()
    read = read_chat_request(body) if wire is Wire.OPENAI_CHAT else read_responses_request(body)
    assert PROVIDER.bound(wire=wire, connection=connection(**options), fields=read).service_tiers == tiers


@pytest.mark.parametrize("tier", ["scale", "turbo"])
def test_a_tier_without_a_price_per_token_is_refused(tier: str) -> None:
    with pytest.raises(RequestUnbounded, match=f"'{tier}' has no known price at OpenAI"):
        PROVIDER.bound(wire=Wire.OPENAI_RESPONSES, connection=connection(), fields=fields(service_tier=tier))


@pytest.mark.parametrize(
    ("status", "code", "is_retryable", "may_work_elsewhere"),
    [
        (429, "rate_limit_exceeded", True, True),
        (429, "slow_down", True, True),
        (429, "credit_balance_exhausted", False, True),
        (429, "organization_usage_limit_exceeded", False, True),
        (429, "organization_spend_limit_exceeded", False, True),
        (429, "project_spend_limit_exceeded", False, True),
        (429, "insufficient_quota", False, True),
        (503, "server_is_overloaded", True, True),
        (404, "model_not_found", False, True),
        (400, "model_not_found", False, True),
        (401, "invalid_api_key", False, True),
        (400, "invalid_value", False, False),
    ],
)
@pytest.mark.parametrize("wire", sorted(PROVIDER.wires))
def test_trap_24_an_exhausted_account_is_told_from_a_rate_limit(
    wire: Wire, status: int, code: str, is_retryable: bool, may_work_elsewhere: bool
) -> None:
    body = json.dumps({"error": {"message": "no", "type": "x", "param": None, "code": code}}).encode()
    reading = PROVIDER.read_error(wire=wire, status=status, body=body)
    assert (reading.is_retryable, reading.may_work_elsewhere) == (is_retryable, may_work_elsewhere)
    assert reading.billing == ("unknown" if status >= 500 else "unbilled")


def test_embeddings_have_a_bound_of_input_alone_and_free_wires_have_none() -> None:
    embedded = embeddings_fields(Members(b'{"model":"m","input":["Hello","world"]}'))
    bound = PROVIDER.bound(wire=Wire.OPENAI_EMBEDDINGS, connection=connection(), fields=embedded)
    assert bound.choices == 0
    assert bound.input_tokens > embedded.body_bytes
    for wire in (Wire.OPENAI_INPUT_TOKENS, Wire.OPENAI_MODERATIONS):
        free = PROVIDER.bound(wire=wire, connection=connection(), fields=embedded)
        assert (free.input_tokens, free.choices, free.calls) == (0, 0, {})


@pytest.mark.parametrize(
    "values",
    [
        {"tools": [{"type": "web_search", "external_web_access": False}]},
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]},
        {"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://example.test"}]},
        {"tools": [{"type": "image_generation"}]},
        {"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]},
        {"context_management": [{"type": "compaction"}]},
        {"moderation": {"model": "omni-moderation-latest"}},
        {"reasoning": {"mode": "pro"}},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}]},
    ],
)
def test_trap_21_what_has_no_bound_is_refused_with_a_sentence(values: dict[str, object]) -> None:
    with pytest.raises(RequestUnbounded, match=r"no known bound.*\.$"):
        PROVIDER.bound(wire=Wire.OPENAI_RESPONSES, connection=connection(), fields=fields(**values))
