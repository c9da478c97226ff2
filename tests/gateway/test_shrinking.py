"""A stream whose vendor says early what the input was holds no more than it can still cost."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from bursar_plugin_sandbox.server import app

from governance.gateway.limits import Limits
from tests.gateway.world import Served, World, eventually

PRICES = {"input": "1000", "output": "2000"}


@pytest.fixture
def limits() -> Limits:
    return Limits(after_disconnect_seconds=0.3, watch_seconds=0.05, database_seconds=20, lease_idle_seconds=0.3)


@pytest.fixture
async def sandbox(world: World) -> AsyncIterator[None]:
    """The pretend vendor, with its model behind the alias `sandbox-1`."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="critical", lifespan="off", loop="none", timeout_graceful_shutdown=1)
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started or None)
    port = server.servers[0].sockets[0].getsockname()[1]
    connection = world.add_connection(f"http://127.0.0.1:{port}/v1", credential="", provider="sandbox")
    model = world.add_model("played", prices=PRICES)
    world.add_alias("sandbox-1", model=model, upstream_name="sandbox-1", connection=connection)
    yield
    server.should_exit = True
    await task


async def test_what_the_input_was_bounded_at_comes_free_while_the_stream_goes_on(
    served: Served, world: World, sandbox: None
) -> None:
    key = world.add_key()[1]
    budget = world.add_budget(10_000_000)
    await served.catch_up(world)
    text = "Say something. [sandbox: usage=running, tokens=8, stall=mid-stream]"
    body = {"model": "sandbox-1", "stream": True, "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    async with served.client(key) as client, client.stream("POST", "/v1/chat/completions", json=body) as reply:
        chunks = reply.aiter_raw()
        assert b'"prompt_tokens":' in await anext(chunks)
        input_tokens = -(-len(text) // 4)
        can_cost = input_tokens * 1000 + 100 * 2000
        await eventually(lambda: True if world.account(budget)["held_nano"] == can_cost else None)
    (record,) = await world.recorded()
    (attempt,) = await world.suspended()
    assert (record["input_tokens"], record["output_tokens"], record["is_estimated"]) == (input_tokens, 4, True)
    assert record["reserved_nano"] == can_cost == record["charge_nano"] + attempt["held_nano"]


async def test_a_stream_that_counts_along_is_settled_at_its_last_count(
    served: Served, world: World, sandbox: None
) -> None:
    key = world.add_key()[1]
    budget = world.add_budget(10_000_000)
    await served.catch_up(world)
    text = "Say something. [sandbox: usage=running, tokens=8]"
    body = {"model": "sandbox-1", "stream": True, "messages": [{"role": "user", "content": text}]}
    async with served.client(key) as client:
        assert (await client.post("/v1/chat/completions", json=body)).content.endswith(b"data: [DONE]\n\n")
    (record,) = await world.recorded()
    assert (record["output_tokens"], record["is_estimated"]) == (8, False)
    assert (await world.at_rest(budget))["settled_nano"] == -(-len(text) // 4) * 1000 + 8 * 2000
