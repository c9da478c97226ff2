"""Every recorded reply of the vendors on the OpenAI chat wire, through the plugin of its vendor: exact token classes,
and the cost that a person computes from the price page.
"""

import json
from decimal import Decimal

import pytest

from governance.plugin import Billing, GoverningFields, UsageReport, Wire
from governance.plugin.testing import Subject, check_recorded_reply, check_recorded_stream
from tests.support.recordings import FOLDER, counted, exchange
from tests.support.vendor_replies import BASE_URLS, PROVIDERS, RECORDED, Recorded, price_card

WIRE = Wire.OPENAI_CHAT
_OF_THESE_VENDORS = ("alibaba-", "azure-openai-chat", "deepseek-chat", "openrouter-", "xai-chat", "zai-")


def read(recorded: Recorded, *, wants_usage: bool = False) -> UsageReport:
    """Read the recording through its vendor's plugin, cut in many ways."""
    subject = Subject(provider=PROVIDERS[recorded.provider], base_url=BASE_URLS[recorded.provider])
    found = exchange(recorded.name)
    body, asked = found["response"]["body"].encode(), found["request"]
    request = json.dumps(asked["body"]).encode() if asked is not None else None
    if not recorded.is_stream:
        return check_recorded_reply(subject, wire=WIRE, body=body, request=request)
    fields = GoverningFields(model="m", stream=True, body_bytes=1, messages=1, client_wants_usage=wants_usage)
    return check_recorded_stream(subject, wire=WIRE, body=body, fields=fields, may_hide=recorded.hides_usage)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
def test_a_recording_gives_the_classes_and_the_cost_of_the_price_page(recorded: Recorded) -> None:
    report = read(recorded)
    rated = price_card(recorded.prices).rate(report.usage)
    assert counted(report) == recorded.classes
    assert rated.cost_nano == Decimal(recorded.cost) * 10**9
    assert not rated.is_assumed
    assert (report.served_model, report.vendor_cost) == (recorded.served_model, recorded.vendor_cost)


@pytest.mark.parametrize("recorded", [each for each in RECORDED if each.is_stream], ids=lambda recorded: recorded.name)
def test_a_client_that_asked_for_usage_sees_every_event(recorded: Recorded) -> None:
    assert counted(read(recorded, wants_usage=True)) == recorded.classes


@pytest.mark.parametrize(
    "recorded", [each for each in RECORDED if each.vendor_cost], ids=lambda recorded: recorded.name
)
def test_our_cost_is_the_one_that_the_vendor_reports(recorded: Recorded) -> None:
    assert Decimal(recorded.vendor_cost or 0) == Decimal(recorded.cost)


def test_every_recording_of_these_vendors_on_this_wire_is_read() -> None:
    exchange(RECORDED[0].name)
    there = {path.name for path in FOLDER.glob("*.json") if path.name.startswith(_OF_THESE_VENDORS)}
    assert there == {recorded.name for recorded in RECORDED} | {"openrouter-429-and-errors.json"}


def test_openrouters_recorded_refusals_cost_nothing_and_are_worth_another_attempt() -> None:
    for number in range(3):
        response = exchange("openrouter-429-and-errors.json", number)["response"]
        reading = PROVIDERS["openrouter"].read_error(
            wire=WIRE, status=response["status"], body=response["body"].encode()
        )
        assert (reading.billing, reading.is_retryable) == (Billing.UNBILLED, True)
