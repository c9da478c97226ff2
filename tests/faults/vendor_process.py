"""The campaign's vendor: `python -m tests.faults.vendor_process FD INVOICE SEED`.

It speaks the OpenAI wire on an inherited socket, and decides by the seed and the call what happens to it. What it
charges is on the invoice before the first byte of an answer leaves.
"""

import asyncio
import random
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from tests.faults.invoice import InvoiceLine, InvoiceWriter
from tests.faults.scene import MODEL_MAXIMUM, call_of
from tests.gateway.vendor import DONE, Vendor, VendorCall, chat_event, chat_reply

BROKEN = b'{"error": {"message": "the vendor broke", "type": "server_error", "code": "vendor_broke"}}'
_REFUSED = b'{"error": {"message": "slow down", "type": "rate_limit", "code": "vendor_refused"}}'
_LONGEST_DELAY_SECONDS = 1.5
_LONGEST_GAP_SECONDS = 0.03


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about one call."""

    call: VendorCall
    chance: random.Random
    line: InvoiceLine

    @property
    def usage(self) -> dict[str, object]:
        """The usage as this wire reports it."""
        line = self.line
        return {
            "prompt_tokens": line.input_tokens,
            "completion_tokens": line.output_tokens,
            "total_tokens": line.input_tokens + line.output_tokens,
            "prompt_tokens_details": {"cached_tokens": line.cached_tokens},
        }


class ChargingVendor:
    """Answers calls; remembers nothing but its invoice."""

    def __init__(self, invoice: InvoiceWriter, *, seed: int) -> None:
        self._invoice = invoice
        self._seed = seed
        self._legs: dict[str, int] = {}

    async def answer(self, call: VendorCall) -> None:
        """Decide, charge, then answer or fail to."""
        name = call_of(call.json)
        leg = self._legs[name] = self._legs.get(name, 0) + 1
        chance = random.Random(f"{self._seed} {name} {leg}")
        (way,) = chance.choices(list(_WAYS), weights=[weight for weight, _ in _WAYS.values()])
        line = _charge(name, call, chance)
        if way == "refused" or (way in _DISPUTED and chance.random() < 0.5):
            line = InvoiceLine(call=name)
        self._invoice.add(line)
        await _WAYS[way][1](Turn(call=call, chance=chance, line=line))


def _charge(name: str, call: VendorCall, chance: random.Random) -> InvoiceLine:
    maximum = call.json.get("max_tokens", MODEL_MAXIMUM)
    prompt = chance.randint(1, len(call.json["messages"][0]["content"]))
    return InvoiceLine(
        call=name,
        input_tokens=prompt,
        cached_tokens=chance.choice((0, prompt // 2)),
        output_tokens=chance.randint(min(16, maximum), maximum),
    )


async def _whole(turn: Turn) -> None:
    if turn.call.json.get("stream"):
        await _stream(turn)
        await turn.call.chunk(chat_event(usage=turn.usage) + DONE)
        await turn.call.end_stream()
    else:
        await turn.call.reply(_reply(turn))


async def _slow(turn: Turn) -> None:
    await asyncio.sleep(turn.chance.random() * _LONGEST_DELAY_SECONDS)
    await _whole(turn)


async def _usage_missing(turn: Turn) -> None:
    if turn.call.json.get("stream"):
        await _stream(turn)
        await turn.call.chunk(DONE)
        await turn.call.end_stream()
    else:
        await turn.call.reply(msgspec.json.encode({**msgspec.json.decode(_reply(turn)), "usage": None}))


async def _refused(turn: Turn) -> None:
    """An error that this wire's vendors document as unbilled."""
    await turn.call.reply(_REFUSED, status=429)


async def _broken(turn: Turn) -> None:
    await turn.call.reply(BROKEN, status=500)


async def _cut_before(turn: Turn) -> None:
    _cut(turn)


async def _cut_midway(turn: Turn) -> None:
    if turn.call.json.get("stream"):
        await _stream(turn)
    else:
        await _send_part(turn, share=0.5)
    _cut(turn)


async def _cut_at_the_end(turn: Turn) -> None:
    if turn.call.json.get("stream"):
        await _stream(turn)
        await turn.call.chunk(chat_event(usage=turn.usage) + DONE)
    else:
        await _send_part(turn, share=0.99)
    _cut(turn)


_WAYS: dict[str, tuple[int, Callable[[Turn], Awaitable[None]]]] = {
    "whole": (780, _whole),
    "slow": (100, _slow),
    "refused": (40, _refused),
    "broken": (15, _broken),
    "usage_missing": (15, _usage_missing),
    "cut_before": (15, _cut_before),
    "cut_midway": (20, _cut_midway),
    "cut_at_the_end": (15, _cut_at_the_end),
}
_DISPUTED = ("broken", "cut_before")
"""After these a client cannot know whether it was charged; here it is half of the time."""


async def _stream(turn: Turn) -> None:
    await turn.call.begin_stream()
    for _ in range(turn.chance.randint(1, 8)):
        await turn.call.chunk(chat_event("la "))
        await asyncio.sleep(turn.chance.random() * _LONGEST_GAP_SECONDS)
    await turn.call.chunk(chat_event(finish="stop"))


async def _send_part(turn: Turn, *, share: float) -> None:
    body = _reply(turn)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    await turn.call.send(head.encode() + body[: int(len(body) * share)])


def _reply(turn: Turn) -> bytes:
    reply = msgspec.json.decode(chat_reply("la la"))
    return msgspec.json.encode({**reply, "usage": turn.usage})


def _cut(turn: Turn) -> None:
    """End the connection in good order, or by a reset that may swallow what was sent before."""
    if turn.chance.random() < 0.5:
        turn.call.writer.transport.abort()
    raise ConnectionAbortedError


async def _serve(listener: socket.socket, invoice: Path, seed: int) -> None:
    vendor = Vendor()
    vendor.answer = ChargingVendor(InvoiceWriter(invoice), seed=seed).answer
    server = await asyncio.start_server(vendor.serve, sock=listener, limit=2**20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])))
