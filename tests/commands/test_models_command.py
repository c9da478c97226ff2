"""`bursar models`: several deployments behind one name, in an order."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from governance.audit.models import AuditEvent
from governance.catalog.hours import text_of
from governance.catalog.models import LanguageModel, Price
from governance.connections.models import Connection
from governance.plugin import PriceHours
from tests.support.finance_world import make_world

pytestmark = pytest.mark.django_db
PRICES = ("--input-price", "1", "--output-price", "2")


def _run(*words: str) -> Any:
    printed = io.StringIO()
    call_command("models", *words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def _order() -> list[str]:
    rows = _run("list", "--aliases")
    return [f"{row['connection']}/{row['upstream_name']}" for row in rows if row["alias"] == "llama"]


@pytest.fixture(autouse=True)
def llama() -> None:
    organisation = make_world().organisation
    for name in ("vllm", "spare"):
        Connection.objects.create(
            organisation=organisation, name=name, provider="openai_compatible", base_url="http://10.0.0.5:8000/v1"
        )
    _run("add", "llama-4", "--connection", "vllm", "--alias", "llama", *PRICES)


def test_every_price_is_shown_with_the_hours_at_which_it_holds() -> None:
    hours = PriceHours(zone="Asia/Shanghai", weekdays=(6, 7), windows=(("09:00", "12:00"),))
    price = Price.objects.get(token_class="input")
    price.pk, price.hours = None, text_of(hours)
    price.save(force_insert=True)
    shown = {row["hours"] for row in _run("prices", "openai_compatible/llama-4") if row["token_class"] == "input"}
    assert shown == {None, "Sat, Sun 09:00-12:00 Asia/Shanghai"}


def test_a_model_says_where_in_its_life_it_is() -> None:
    LanguageModel.objects.update(preview_on="2026-05-01", released_on="2099-01-31")
    (row,) = _run("list", "--aliases")
    assert (row["lifecycle"], row["dates"]) == ("preview", {"preview_on": "2026-05-01", "released_on": "2099-01-31"})


def test_a_fallback_is_the_last_of_an_alias() -> None:
    _run("add", "llama-4", "--connection", "spare", "--alias", "llama", "--as-fallback")
    assert _order() == ["vllm/llama-4", "spare/llama-4"]


def test_media_have_bounds_and_may_be_priced_by_the_piece_alone() -> None:
    bound = ("--bound", "image_output_tokens.1024x1024.high=4160", "--bound", "audio_seconds=1500")
    _run("add", "painter", "--connection", "vllm", "--image-price", "20000", *bound)
    (row,) = [row for row in _run("list", "--aliases") if row["alias"] == "painter"]
    assert row["bounds"] == {"image_output_tokens.1024x1024.high": 4160, "audio_seconds": 1500}
    _run("add", "painter", "--connection", "spare", "--alias", "other", "--bound", "audio_seconds=60")
    (row,) = [row for row in _run("list", "--aliases") if row["alias"] == "other"]
    assert row["bounds"] == {"image_output_tokens.1024x1024.high": 4160, "audio_seconds": 60}
    (price,) = _run("prices", "openai_compatible/painter")
    assert (price["token_class"], price["usd_per_million"]) == ("image", "20000")


@pytest.mark.parametrize(
    "text", ["audio_seconds", "audio_seconds=0", "audio_seconds=-1", "audio_seconds=1e3", "tokens=5"]
)
def test_a_bound_that_nobody_asks_for_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is no bound"):
        _run("add", "painter", "--connection", "vllm", "--image-price", "20000", "--bound", text)


def test_a_fallback_needs_an_alias_that_there_is() -> None:
    with pytest.raises(CommandError, match="no model alias 'lama'"):
        _run("add", "llama-4", "--connection", "spare", "--alias", "lama", "--as-fallback")


def test_what_is_free_is_called_at_a_price_of_nothing_that_somebody_confirmed() -> None:
    organisation = Connection.objects.get(name="vllm").organisation
    Connection.objects.create(
        organisation=organisation, name="openai", provider="openai", base_url="https://api.openai.com/v1"
    )
    free = ("--connection", "openai", "--input-price", "0", "--output-price", "0")
    with pytest.raises(CommandError, match="makes these tokens free"):
        _run("add", "omni-moderation-latest", *free)
    added = _run("add", "omni-moderation-latest", *free, "--confirm-unusual-prices")
    assert (added["alias"], added["model"]) == ("omni-moderation-latest", "openai/omni-moderation-latest")


def test_the_order_can_be_changed_and_names_every_deployment_once() -> None:
    _run("add", "llama-4", "--connection", "spare", "--alias", "llama", "--as-fallback")
    _run("order", "llama", "spare/llama-4", "vllm/llama-4")
    assert _order() == ["spare/llama-4", "vllm/llama-4"]
    for wrong in (["spare/llama-4"], ["spare/llama-4", "spare/llama-4"], ["a/b", "spare/llama-4", "vllm/llama-4"]):
        with pytest.raises(CommandError, match="Name each deployment"):
            _run("order", "llama", *wrong)
    assert _order() == ["spare/llama-4", "vllm/llama-4"]


def test_an_alias_can_be_routed_by_weight_and_keeps_its_weights_in_another_order() -> None:
    _run("add", "llama-4", "--connection", "spare", "--alias", "llama", "--as-fallback")
    answer = _run("route", "llama", "--by", "weight", "--weight", "vllm/llama-4=3", "--weight", "spare/llama-4=0")
    assert answer == {"alias": "llama", "by": "weight", "weights": {"vllm/llama-4": 3, "spare/llama-4": 0}}
    _run("order", "llama", "spare/llama-4", "vllm/llama-4")
    weights = {row["connection"]: row["weight"] for row in _run("list", "--aliases") if row["alias"] == "llama"}
    assert weights == {"vllm": 3, "spare": 0}
    event = AuditEvent.objects.get(action="alias.routing_changed")
    assert event.before["routing"] == "order"
    assert event.after["routing"] == "weight"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--by", "luck"), "no routing strategy 'luck'; there are: latency, order, price, weight"),
        (("--by", "weight", "--weight", "vllm/llama-4"), "write CONNECTION/MODEL=N"),
        (("--by", "weight", "--weight", "nobody/llama-4=1"), "write CONNECTION/MODEL=N for one of vllm/llama-4"),
        (("--by", "weight", "--weight", "vllm/llama-4=-1"), "write CONNECTION/MODEL=N"),
        (("--by", "weight", "--weight", "vllm/llama-4=1001"), "from 0 .* to 1000"),
        (("--by", "weight", "--weight", "vllm/llama-4=0"), "whose weight is not 0"),
    ],
)
def test_a_route_that_means_nothing_is_refused(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        _run("route", "llama", *words)
    assert not AuditEvent.objects.filter(action="alias.routing_changed").exists()


def test_what_follows_an_own_account_is_said_per_alias() -> None:
    assert _run("own", "llama", "--then", "shared") == {"alias": "llama", "then": "shared"}
    assert AuditEvent.objects.latest("id").action == "alias.own_accounts_changed"
    assert _run("own", "llama", "--then", "nothing")["then"] == "nothing"


def test_a_call_is_tried_without_making_it() -> None:
    call_command("teams", "add", "search", stdout=io.StringIO())
    found = _run("try", "llama", "--team", "search")
    assert found["refused"] is None
    assert found["asked"] == ["openai_compatible/llama-4 through vllm: It stands first."]
