"""The traps of usage accounting, by number, at the vendors that speak the OpenAI chat wire."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bursar_plugin_gemini import Gemini
from bursar_plugin_price_catalogue.handkept import HandKept

from governance.catalog.hours import text_of
from governance.catalog.rating import PriceLine, RateCard
from governance.gateway.backoff import retry_after
from governance.plugin import (
    Billing,
    ConnectionSettings,
    GoverningFields,
    RequestUnbounded,
    StreamMeter,
    TokenClass,
    Usage,
    UsageReport,
    Wire,
)
from governance.plugin.gemini import read_generate_request
from governance.plugin.openai_chat import read_chat_request, splice
from tests.support.recordings import counted, exchange
from tests.support.vendor_replies import BASE_URLS, PROVIDERS, price_card

WIRE = Wire.OPENAI_CHAT
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
EVERY = pytest.mark.parametrize("name", sorted(PROVIDERS))


def connection(name: str) -> ConnectionSettings:
    return ConnectionSettings(id=1, name="prod", base_url=BASE_URLS[name], credential="sk-1")


def read(name: str, usage: dict[str, Any], **reply: Any) -> UsageReport:
    """Return what the vendor's plugin reads from a reply with this usage."""
    body = json.dumps({"model": "m", "choices": [], "usage": usage, **reply}).encode()
    report = PROVIDERS[name].read_reply(wire=WIRE, connection=connection(name), body=body)
    assert report is not None
    return report


def meter(name: str, *, wants_usage: bool = False, choices: int = 1) -> StreamMeter:
    fields = GoverningFields(
        model="m", stream=True, body_bytes=1, messages=1, client_wants_usage=wants_usage, choices=choices
    )
    return PROVIDERS[name].stream_meter(wire=WIRE, connection=connection(name), fields=fields)


def event(*, choices: list[dict[str, Any]], **more: Any) -> bytes:
    return json.dumps({"model": "m", "choices": choices, **more}, separators=(",", ":")).encode()


def text(content: str, finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": {"content": content}, "finish_reason": finish}


USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


@EVERY
def test_trap_01_cached_tokens_are_inside_the_input(name: str) -> None:
    usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": 60}}
    assert counted(read(name, usage)) == {"input": 40, "cache_read": 60, "output": 20}


@EVERY
def test_trap_02_reasoning_is_inside_the_output_except_at_xai(name: str) -> None:
    beside = name == "xai"
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 135 if beside else 120,
        "completion_tokens_details": {"reasoning_tokens": 15},
    }
    assert counted(read(name, usage)) == {"input": 100, "output": 20 if beside else 5, "reasoning": 15}


@pytest.mark.parametrize("in_its_own_event", [True, False])
@EVERY
def test_trap_04_usage_is_found_wherever_a_stream_has_it(name: str, in_its_own_event: bool) -> None:
    watched = meter(name, wants_usage=True)
    if in_its_own_event:
        events = [event(choices=[text("Hi", "stop")]), event(choices=[], usage=USAGE)]
    else:
        events = [event(choices=[text("Hi", "stop")], usage=USAGE)]
    assert [watched.feed(data) for data in [*events, b"[DONE]"]] == [True] * (len(events) + 1)
    report = watched.report()
    assert report is not None
    assert counted(report) == {"input": 100, "output": 20}


@EVERY
def test_trap_05_usage_is_asked_for_and_what_nobody_asked_for_is_hidden(name: str) -> None:
    body = b'{"model":"m","messages":[],"stream":true}'
    provider = PROVIDERS[name]
    edits = provider.body_edits(wire=WIRE, connection=connection(name), fields=read_chat_request(body))
    asks = name != "openrouter"
    assert ("stream_options" in edits) == asks
    assert json.loads(splice(body, edits)).get("stream_options") == ({"include_usage": True} if asks else None)
    assert meter(name).feed(event(choices=[], usage=USAGE)) is not asks
    assert meter(name).feed(event(choices=[text("Hi", "stop")], usage=USAGE))


@EVERY
def test_trap_06_a_stream_that_is_cut_has_no_final_usage_but_what_was_seen(name: str) -> None:
    watched = meter(name)
    watched.feed(event(choices=[text("Hello")], usage={**USAGE, "completion_tokens": 1}))
    assert watched.report() is None
    running = watched.running()
    assert running is not None
    assert (running.input_tokens, watched.seen_output_bytes(), watched.seen_output_events()) == (100, 5, 1)


@EVERY
def test_trap_08_cumulative_counts_are_replaced_not_added(name: str) -> None:
    watched = meter(name, wants_usage=True)
    for count in (5, 12, 20):
        watched.feed(
            event(choices=[text("x")], usage={**USAGE, "completion_tokens": count, "total_tokens": 100 + count})
        )
    watched.feed(b"[DONE]")
    report = watched.report()
    assert report is not None
    assert counted(report) == {"input": 100, "output": 20}


@EVERY
def test_trap_10_null_is_not_yet_and_what_is_missing_is_zero(name: str) -> None:
    watched = meter(name)
    assert watched.feed(event(choices=[text("Hi")], usage=None))
    assert (watched.report(), watched.running()) == (None, None)
    usage = {**USAGE, "prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": None}}
    assert counted(read(name, usage)) == {"input": 100, "output": 20}


def test_trap_10_azures_minus_one_in_a_header_asks_for_no_pause() -> None:
    headers = [("x-ratelimit-remaining-tokens", "-1"), ("retry-after", "-1"), ("retry-after-ms", "-1")]
    assert retry_after(headers, at=NOW) is None


def test_trap_13_a_hit_in_a_cache_that_was_asked_for_has_a_price_of_its_own_at_qwen() -> None:
    prices = {"input": "2.5", "cache_read": "0.5", "cache_read_explicit": "0.25", "output": "7.5"}
    details = {"cached_tokens": 80, "cache_creation_input_tokens": 0}
    by_chance = read("qwen", {**USAGE, "prompt_tokens_details": details})
    asked_for = read("qwen", {**USAGE, "prompt_tokens_details": {**details, "cache_type": "ephemeral"}})
    assert counted(by_chance) == {"input": 20, "cache_read": 80, "output": 20}
    assert counted(asked_for) == {"input": 20, "cache_read_explicit": 80, "output": 20}
    costs = [price_card(prices).rate(report.usage).cost_nano for report in (by_chance, asked_for)]
    assert costs == [(50 + 40 + 150) * 1000, (50 + 20 + 150) * 1000]


@pytest.mark.parametrize(
    ("provider", "model", "below", "usd"),
    [("qwen", "qwen3.5-plus", 256_000, ("0.1024", "0.1280005")), ("xai", "grok-4.6", 199_999, ("0.399998", "0.8"))],
)
def test_trap_14_a_length_step_prices_the_whole_request(
    provider: str, model: str, below: int, usd: tuple[str, str]
) -> None:
    card = catalogue_card(provider, model)
    costs = [card.rate(Usage(input_tokens=size, output_tokens=0)).cost_nano for size in (below, below + 1)]
    assert costs == [Decimal(cost) * 10**9 for cost in usd]


@pytest.mark.parametrize(("billed", "tier"), [("priority", "priority"), ("default", "standard")])
def test_trap_15_the_tier_that_the_reply_names_is_billed_and_both_are_held(billed: str, tier: str) -> None:
    assert read("xai", USAGE, service_tier=billed).service_tier == tier
    fields = GoverningFields(model="m", stream=False, body_bytes=1, messages=1, service_tier="priority")
    bound = PROVIDERS["xai"].bound(wire=WIRE, connection=connection("xai"), fields=fields)
    assert bound.service_tiers == ("standard", "priority")


@pytest.mark.parametrize(
    ("model", "at", "usd"),
    [
        ("deepseek-v4-pro", "2026-06-01T02:00", "1.305"),
        ("deepseek-v4-pro", "2026-08-22T02:00", "5.28"),
        ("deepseek-v4-pro", "2026-08-29T02:00", "2.64"),
        ("deepseek-v4-pro", "2026-11-25T02:00", "5.28"),
        ("deepseek-v4-pro", "2026-11-25T05:00", "2.64"),
        ("deepseek-flash", "2026-10-01T02:00", "0.75"),
        ("deepseek-flash", "2026-10-08T09:59", "1.50"),
        ("deepseek-flash", "2026-10-10T02:00", "0.75"),
    ],
)
def test_trap_17_the_hour_the_weekday_and_the_holiday_decide_on_beijing_time(model: str, at: str, usd: str) -> None:
    card = catalogue_card("deepseek", model, at=datetime.fromisoformat(at).replace(tzinfo=UTC))
    rated = card.rate(Usage(input_tokens=1_000_000, output_tokens=1_000_000))
    assert rated.cost_nano == Decimal(usd) * 10**9


def test_trap_19_the_model_that_was_served_is_kept_beside_the_one_that_was_asked_for() -> None:
    assert read("deepseek", USAGE, model="deepseek-flash").served_model == "deepseek-flash"


def test_trap_20_an_azure_deployments_model_stands_in_the_reply_alone() -> None:
    watched = meter("azure_openai")
    assert watched.feed(event(choices=[], model="", prompt_filter_results=[{"prompt_index": 0}]))
    watched.feed(event(choices=[text("Hi", "stop")]))
    assert watched.feed(event(choices=[{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]))
    watched.feed(event(choices=[], usage=USAGE, model="gpt-5.6-sol-2026-07-09"))
    report = watched.report()
    assert report is not None
    assert report.served_model == "gpt-5.6-sol-2026-07-09"


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("qwen", {"enable_search": True}),
        ("qwen", {"enable_code_interpreter": True}),
        ("xai", {"search_parameters": {"mode": "auto"}}),
        ("xai", {"deferred": True}),
        ("glm", {"tools": [{"type": "web_search", "web_search": {"enable": True}}]}),
        ("openrouter", {"plugins": [{"id": "web"}]}),
        ("openrouter", {"tools": [{"type": "openrouter:web_search"}]}),
        ("azure_openai", {"web_search_options": {"search_context_size": "low"}}),
        ("deepseek", {"tools": [{"type": "web_search"}]}),
    ],
)
def test_trap_21_what_costs_per_call_is_refused_where_nothing_bounds_it(name: str, extra: dict[str, Any]) -> None:
    fields = read_chat_request(json.dumps({"model": "m", "messages": [], **extra}).encode())
    with pytest.raises(RequestUnbounded, match=r"no known bound: remove it\.$"):
        PROVIDERS[name].bound(wire=WIRE, connection=connection(name), fields=fields)


def test_trap_23_an_error_after_http_200_is_shown_and_its_usage_is_booked() -> None:
    error = {"code": 502, "message": "Provider disconnected unexpectedly"}
    failed = [text("", "error")]
    watched = meter("openrouter")
    watched.feed(event(choices=[text("Hello")]))
    assert watched.feed(event(choices=failed, error=error, usage={**USAGE, "cost": 0.0004}))
    report = watched.report()
    assert report is not None
    assert (counted(report), report.vendor_cost) == ({"input": 100, "output": 20}, "0.0004")
    without_usage = meter("openrouter")
    without_usage.feed(event(choices=failed, error=error))
    without_usage.feed(b"[DONE]")
    assert without_usage.report() is None
    body = json.dumps({"error": error, "user_id": "user_1"}).encode()
    provider = PROVIDERS["openrouter"]
    assert provider.read_reply(wire=WIRE, connection=connection("openrouter"), body=body) is None


AGAIN, ELSEWHERE, NOWHERE = (True, True), (False, True), (False, False)
REFUSALS = [
    ("deepseek", 402, {"message": "Insufficient Balance"}, ELSEWHERE),
    ("deepseek", 429, {"message": "Concurrency limit reached"}, AGAIN),
    ("deepseek", 422, {"message": "Invalid parameter"}, NOWHERE),
    ("xai", 429, "Your team t has either used all available credits or reached its monthly spending limit.", ELSEWHERE),
    ("xai", 403, "Your team t has either used all available credits or reached its monthly spending limit.", ELSEWHERE),
    ("xai", 400, "Incorrect API key provided: xa***", ELSEWHERE),
    ("xai", 429, "Too many requests for team t", AGAIN),
    ("glm", 429, {"code": "1113", "message": "Insufficient balance"}, ELSEWHERE),
    ("glm", 429, {"code": "1112", "message": "Your account has been locked"}, ELSEWHERE),
    ("glm", 429, {"code": "1310", "message": "Weekly limit reached"}, ELSEWHERE),
    ("glm", 429, {"code": "1302", "message": "High concurrency"}, AGAIN),
    ("glm", 400, {"code": "1211", "message": "Unknown model"}, ELSEWHERE),
    ("glm", 400, {"code": "1214", "message": "Invalid parameter"}, NOWHERE),
    ("glm", 434, {"message": "No API permission"}, ELSEWHERE),
    ("qwen", 400, {"code": "Arrearage", "message": "Access denied"}, ELSEWHERE),
    ("qwen", 403, {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier is exhausted"}, ELSEWHERE),
    ("qwen", 429, {"code": "insufficient_quota", "message": "Allocated quota exceeded"}, AGAIN),
    ("qwen", 429, {"code": "limit_requests", "message": "You exceeded your requests limit"}, AGAIN),
    ("qwen", 400, {"code": "DataInspectionFailed", "message": "Inappropriate content"}, NOWHERE),
    ("openrouter", 402, {"metadata": {"limit_source": "openrouter_credits"}}, ELSEWHERE),
    ("openrouter", 402, {"metadata": {"limit_source": "openrouter_in_flight_budget"}}, AGAIN),
    ("openrouter", 403, {"metadata": {"limit_source": "openrouter_key_limit"}}, ELSEWHERE),
    ("openrouter", 429, {"message": "Rate limit exceeded: free-models-per-day"}, ELSEWHERE),
    ("openrouter", 429, {"message": "Provider returned error"}, AGAIN),
    ("azure_openai", 404, {"code": "DeploymentNotFound", "message": "The API deployment does not exist"}, ELSEWHERE),
    ("azure_openai", 403, {"message": "Out of call volume quota. Quota exceeded"}, ELSEWHERE),
    ("azure_openai", 429, {"code": "RateLimitReached", "message": "Retry after 7 seconds."}, AGAIN),
    ("azure_openai", 400, {"code": "content_filter", "message": "Filtered"}, NOWHERE),
]


@pytest.mark.parametrize(("name", "status", "error", "expected"), REFUSALS)
def test_trap_24_one_status_stands_for_several_errors(
    name: str, status: int, error: object, expected: tuple[bool, bool]
) -> None:
    body = json.dumps({"error": error}).encode()
    reading = PROVIDERS[name].read_error(wire=WIRE, status=status, body=body)
    assert (reading.is_retryable, reading.may_work_elsewhere) == expected
    assert reading.billing is Billing.UNBILLED


def test_trap_23_a_refusal_that_xai_may_charge_a_fee_for_is_not_booked_as_free() -> None:
    body = b'{"code":"permission-denied","error":"Content violates usage guidelines. Team: t"}'
    reading = PROVIDERS["xai"].read_error(wire=WIRE, status=403, body=body)
    assert reading.billing is Billing.UNKNOWN


@EVERY
def test_trap_26_an_answer_without_a_visible_word_is_billed(name: str) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 0 if name == "xai" else 500, "total_tokens": 509}
    usage["completion_tokens_details"] = {"reasoning_tokens": 500}  # type: ignore[assignment]
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "length"}
    assert counted(read(name, usage, choices=[choice])) == {"input": 9, "reasoning": 500}


@pytest.mark.parametrize("given", ["max_tokens", "max_completion_tokens"])
@EVERY
def test_trap_27_a_clients_cap_is_written_where_thinking_counts(name: str, given: str) -> None:
    provider, asked = PROVIDERS[name], b'{"model":"m","messages":[],"%s":70}' % given.encode()
    edits = provider.body_edits(wire=WIRE, connection=connection(name), fields=read_chat_request(asked))
    after = json.loads(splice(asked, edits))
    bare = read_chat_request(b'{"model":"m","messages":[]}')
    (enforced,) = provider.maximum_edits(wire=WIRE, connection=connection(name), fields=bare, maximum=9)
    assert after[given] == 70
    assert name == "azure_openai" or after[enforced] == 70


@EVERY
def test_trap_28_every_choice_is_held_for(name: str) -> None:
    fields = read_chat_request(b'{"model":"m","messages":[],"n":3}')
    assert PROVIDERS[name].bound(wire=WIRE, connection=connection(name), fields=fields).choices == 3


@EVERY
def test_trap_29_the_prompt_stays_byte_for_byte_what_the_client_sent(name: str) -> None:
    messages = b'[ {"role":"system", "content":"caf\\u00e9"},{"content":"x","role":"user"}]'
    body = b'{"messages":' + messages + b',"model":"m","stream":true,"max_tokens":5}'
    edits = PROVIDERS[name].body_edits(wire=WIRE, connection=connection(name), fields=read_chat_request(body))
    assert messages in splice(body, {**edits, "model": "another"})


def test_trap_31_ticks_and_credits_are_read_exactly() -> None:
    ticks = read("xai", {**USAGE, "cost_in_usd_ticks": 177_640_001}).vendor_cost
    credits = read("openrouter", {**USAGE, "cost": 0.1}).vendor_cost
    assert (ticks, credits) == ("0.0177640001", "0.1")


def test_trap_33_details_that_exceed_their_total_are_no_reason_to_refuse() -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": 11}}
    report = read("openrouter", {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, **details})
    assert counted(report) == {"input": 100, "reasoning": 11}


def test_trap_35_a_content_type_that_lies_and_a_byte_order_mark_change_nothing() -> None:
    response = exchange("deepseek-responses-400.json")["response"]
    assert response["headers"]["content-type"] == "application/octet-stream"
    reading = PROVIDERS["deepseek"].read_error(wire=WIRE, status=400, body=response["body"].encode())
    assert (reading.billing, reading.is_retryable) == (Billing.UNBILLED, False)
    kept_alive = b"\n\n\n" + json.dumps({"model": "m", "usage": USAGE}).encode()
    for body in (b"\xef\xbb\xbf" + kept_alive, kept_alive):
        report = PROVIDERS["deepseek"].read_reply(wire=WIRE, connection=connection("deepseek"), body=body)
        assert report is not None
        assert counted(report) == {"input": 100, "output": 20}


def test_trap_36_a_key_of_ones_own_behind_a_gateway_costs_the_fee_and_the_vendors_charge() -> None:
    usage = {**USAGE, "cost": 0.00005, "cost_details": {"upstream_inference_cost": 0.001}}
    assert read("openrouter", {**usage, "is_byok": True}).vendor_cost == "0.00105"
    assert read("openrouter", {**usage, "is_byok": False}).vendor_cost == "0.00005"


def test_trap_22_no_free_allowance_is_ever_assumed() -> None:
    card = catalogue_card("xai", "grok-4.7")
    searched = [card.rate(Usage(input_tokens=0, output_tokens=0, web_search_calls=calls)) for calls in (1, 5001)]
    # 5 USD per thousand: the first call costs what the one after any month's allowance does.
    assert [rated.charge_nano for rated in searched] == [5_000_000, 5_001 * 5_000_000]
    # Google gives so many grounded prompts a month to a whole family of models: what one costs, no request can know.
    fields = read_generate_request(
        b'{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"tools":[{"googleSearch":{}}]}', model="m", stream=False
    )
    gemini = ConnectionSettings(id=1, name="prod", base_url="https://api.example.test", credential="key")
    with pytest.raises(RequestUnbounded, match=r"Google Gemini.*: remove"):
        Gemini().bound(wire=Wire.GEMINI_GENERATE, connection=gemini, fields=fields)


def catalogue_card(provider: str, model: str, *, at: datetime = NOW) -> RateCard:
    """Return the card of a model in the catalogue that Bursar keeps by hand, as it is at that instant."""
    prices = [price for price in HandKept().read(providers=[provider]).prices if price.model == model]
    lines = [
        PriceLine(
            id=number,
            token_class=TokenClass(price.token_class),
            nano_per_unit=price.usd_per_million * 1000,
            from_input_tokens=price.from_input_tokens,
            service_tier=price.service_tier,
            effective_from=price.effective_from or datetime(2026, 1, 1, tzinfo=UTC),
            effective_to=price.effective_to,
            hours=text_of(price.hours),
        )
        for number, price in enumerate(prices, start=1)
    ]
    return RateCard(lines, at=at)
