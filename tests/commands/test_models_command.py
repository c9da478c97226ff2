"""`bursar models`: several deployments behind one name, in an order."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from governance.connections.models import Connection
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


def test_a_fallback_is_the_last_of_an_alias() -> None:
    _run("add", "llama-4", "--connection", "spare", "--alias", "llama", "--as-fallback")
    assert _order() == ["vllm/llama-4", "spare/llama-4"]


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
