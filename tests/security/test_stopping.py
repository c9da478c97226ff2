"""A process that is told to stop: every open stream is finished, every lease given back, and the exit code is 0."""

import asyncio
import json
from contextlib import AsyncExitStack

from tests.gateway.test_process import Processes
from tests.gateway.vendor import DONE, USAGE, Vendor, VendorCall, chat_event
from tests.gateway.world import World, eventually, question
from tests.security.raw import head

STREAMS = 1000
_LEASED = "SELECT coalesce(sum(amount_nano), 0)::bigint AS nano FROM metering_lease"


async def test_a_thousand_streams_outlive_the_order_to_stop_and_nothing_is_kept(
    processes: Processes, world: World, vendor: Vendor
) -> None:
    key = world.add_key()[1]
    budget = world.add_budget(10**12)
    may_end = asyncio.Event()

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        await call.chunk(chat_event("Hello"))
        await may_end.wait()
        await call.chunk(chat_event(finish="stop") + chat_event(usage=USAGE) + DONE)
        await call.end_stream()

    vendor.answer = answer
    body = json.dumps(question(stream=True)).encode()
    port = int(processes.url.rpartition(":")[2])
    async with AsyncExitStack() as stack:
        readers = []
        for _ in range(STREAMS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(head(key, b"Content-Length: %d" % len(body)) + body)
            readers.append(reader)
        for reader in readers:
            async with asyncio.timeout(30):
                await reader.readuntil(b"Hello")
        stops = [asyncio.create_task(process.stop()) for process in processes.each]
        await asyncio.sleep(0)
        may_end.set()
        async with asyncio.timeout(30):
            rests = [await reader.read() for reader in readers]
        await asyncio.gather(*stops)
    assert [rest.count(DONE) for rest in rests] == [1] * STREAMS
    assert [process.started.returncode for process in processes.each] == [0, 0]
    records = await world.recorded(STREAMS)
    assert {record["charge_nano"] for record in records} == {15_000}
    assert (await world.at_rest(budget))["settled_nano"] == STREAMS * 15_000
    await eventually(lambda: True if world.rows(_LEASED)[0]["nano"] == 0 else None)
    assert world.attempts() == []
