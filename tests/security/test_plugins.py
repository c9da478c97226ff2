"""Plugins that fail, lie, meddle with what is shared, or come from where nobody expects them.

A plugin is code in the gateway's own process: it is trusted not to be hostile, and not trusted to be without faults.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kombu import Connection, Consumer, Producer, Queue
from kombu.exceptions import ContentDisallowed

from governance.config.celery import app
from governance.core.environment import Environment
from governance.core.plugins import PluginConflict, load_plugins
from governance.gateway.limits import Limits
from tests.gateway.vendor import DONE, Vendor, answer_plainly, chat_reply, refusing
from tests.gateway.world import Served, World, eventually, question, serving
from tests.security.asking import PATH, ask

COUNTS = (
    "raises",
    "text",
    "negative counts",
    "fractional counts",
    "no counts",
    "unchecked negative counts",
    "unchecked fractional counts",
)
BOUNDS = (
    "raises",
    "None",
    "text",
    "a negative bound",
    "a negative number of choices",
    "a fractional bound",
    "no bound",
)


def install(folder: Path, distribution: str, **entries: str) -> None:
    """Put an installed distribution with these plugins into a folder of the path."""
    information = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (information / "entry_points.txt").write_text("[bursar.plugins]\n" + "\n".join(lines) + "\n")


@pytest.fixture
async def faulty(
    world: World, environment: Environment, limits: Limits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """A gateway with the faulty plugin installed."""
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "bursar-plugin-faulty", faulty="tests.security.faulty_plugin")
    async with serving(environment, limits) as served:
        yield served


async def _with(served: Served, world: World, vendor: Vendor, number: int, hook: str, fault: str) -> str:
    """Add a model whose provider has this fault; return its name."""
    options = json.dumps({"hook": hook, "fault": fault})
    name = f"faulty-{number}"
    world.connection = world.add_connection(vendor.base_url, provider="faulty", options=options)
    world.add_model(name)
    await served.catch_up(world)
    return name


async def test_a_fault_before_the_call_sends_nothing_and_holds_nothing(
    faulty: Served, world: World, vendor: Vendor, key: str
) -> None:
    world.add_budget(10**9)
    faults = [("bound", fault) for fault in BOUNDS] + [("body_edits", "raises"), ("body_edits", "text")]
    for number, (hook, fault) in enumerate(faults):
        model = await _with(faulty, world, vendor, number, hook, fault)
        assert (await ask(faulty, key, model=model)).status_code >= 400, (hook, fault)
    taken = "SELECT FROM budgets_account WHERE held_nano <> 0 OR settled_nano <> 0"
    await eventually(lambda: True if not world.rows(taken) else None, seconds=20)
    assert vendor.calls == [] and world.attempts() == [] and world.records() == []


async def test_a_provider_that_cannot_say_where_to_send_takes_only_its_own_models_away(
    faulty: Served, world: World, vendor: Vendor, key: str
) -> None:
    for number, fault in enumerate(("raises", "None", "text")):
        model = await _with(faulty, world, vendor, number, "upstream", fault)
        assert (await ask(faulty, key, model=model)).status_code >= 400, fault
    assert (await ask(faulty, key)).status_code == 200


async def test_counts_that_are_none_cost_the_proof_and_not_the_answer(
    faulty: Served, world: World, vendor: Vendor, key: str
) -> None:
    for number, fault in enumerate(COUNTS, 1):
        model = await _with(faulty, world, vendor, number, "read_reply", fault)
        answered = await ask(faulty, key, model=model)
        assert (answered.status_code, answered.content) == (200, chat_reply()), fault
        *_, attempt = await world.suspended(number)
        assert (attempt["suspense_reason"], attempt["held_nano"] > 0) == ("usage_unreadable", True), fault
    assert world.records() == []


async def test_a_meter_that_fails_costs_the_proof_and_not_the_stream(
    faulty: Served, world: World, vendor: Vendor, key: str
) -> None:
    faults = [("stream_meter", "raises"), ("stream_meter", "text"), ("feed", "raises")]
    faults += [("report", fault) for fault in COUNTS]
    for number, (hook, fault) in enumerate(faults, 1):
        model = await _with(faulty, world, vendor, number, hook, fault)
        answered = await ask(faulty, key, model=model, stream=True)
        assert answered.status_code == 200 and answered.content.endswith(DONE), (hook, fault)
        *_, attempt = await world.suspended(number)
        assert attempt["held_nano"] > 0, (hook, fault)
    assert world.records() == []


async def test_an_error_that_is_misread_may_have_cost_something(
    faulty: Served, world: World, vendor: Vendor, key: str
) -> None:
    for number, fault in enumerate(("raises", "None", "text"), 1):
        model = await _with(faulty, world, vendor, number, "read_error", fault)
        vendor.answer = refusing(400)
        assert (await ask(faulty, key, model=model)).status_code == 400, fault
        *_, attempt = await world.suspended(number)
        assert attempt["suspense_reason"] == "vendor_error"
        vendor.answer = answer_plainly


async def test_a_constant_that_a_plugin_hands_out_stays_what_it_is(
    faulty: Served, world: World, vendor: Vendor, key: str
) -> None:
    dear = await _with(faulty, world, vendor, 1, "body_edits", "its own constant")
    world.execute(
        "UPDATE catalog_deployment SET upstream_name = 'dear-at-the-vendor' WHERE upstream_name = %s", f"{dear}-2026"
    )
    plain = await _with(faulty, world, vendor, 2, "body_edits", "its own constant")
    world.execute("UPDATE catalog_deployment SET upstream_name = %s WHERE upstream_name = %s", plain, f"{plain}-2026")
    world.execute("UPDATE policy_version SET version = version + 1")
    await faulty.gateway.keeper.refresh()
    assert (await ask(faulty, key, model=dear)).status_code == 200
    assert (await ask(faulty, key, model=plain)).status_code == 200
    assert [call.json["model"] for call in vendor.calls] == ["dear-at-the-vendor", plain]


def test_of_two_distributions_with_a_plugin_of_one_name_neither_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "evil-twin", openai_compatible="tests.security.no_such_module")
    for allowed in (None, ("openai_compatible",)):
        with pytest.raises(PluginConflict, match="evil-twin"):
            load_plugins(allowed=allowed)


def test_a_plugin_that_is_not_listed_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "evil", evil="evil_module_of_a_stranger")
    (tmp_path / "evil_module_of_a_stranger.py").write_text("raise SystemExit('a stranger runs')\n")
    loaded = load_plugins(allowed=("openai_compatible",))
    assert list(loaded.providers) == ["openai_compatible"]
    assert "evil_module_of_a_stranger" not in sys.modules
    with pytest.raises(SystemExit):
        load_plugins()


def test_a_task_that_is_pickled_is_never_unpacked() -> None:
    assert set(app.conf.accept_content) == {"json"} and app.conf.task_serializer == "json"
    refused: list[Exception] = []
    with Connection("memory://forged") as connection:
        queue = Queue("celery")
        Producer(connection, serializer="pickle").publish({"a": 1}, routing_key="celery", declare=[queue])
        with Consumer(connection, [queue], accept=app.conf.accept_content) as consumer:
            consumer.on_decode_error = lambda message, error: refused.append(error)
            connection.drain_events(timeout=5)
    assert [type(error) for error in refused] == [ContentDisallowed]


async def test_a_model_of_another_provider_is_served_while_one_fails(
    faulty: Served, world: World, vendor: Vendor, key: str
) -> None:
    model = await _with(faulty, world, vendor, 1, "read_reply", "raises")
    async with faulty.client(key) as client:
        answers = await asyncio.gather(
            *(client.post(PATH, json={**question(), "model": name}) for name in (model, "tiny") * 10)
        )
    assert {answer.status_code for answer in answers} == {200}
    records = await world.recorded(10)
    assert {(record["alias"], record["charge_nano"]) for record in records} == {("tiny", 15_000)}
