"""A scripted vendor that speaks the Anthropic messages wire, and a model there."""

import json
from typing import Any

import anthropic

from tests.gateway.vendor import VendorCall
from tests.gateway.world import Served, World

PRICES = {"input": "2000", "cache_read": "200", "cache_write": "2500", "cache_write_long": "4000", "output": "10000"}
"""Claude Sonnet 5's list prices in November 2026: 2, 0.2, 2.5, 4 and 10 USD per million tokens."""
USAGE = {"input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 3}
COST_NANO = 9 * 2000 + 3 * 10_000
MESSAGES = [{"role": "user", "content": "Hi"}]


def asked(text: str = "Hi", **fields: Any) -> dict[str, Any]:
    """Return the body of a request to the model `claude`."""
    return {"model": "claude", "max_tokens": 64, "messages": [{"role": "user", "content": text}], **fields}


def add_claude(world: World, base_url: str, *, prices: dict[str, str] = PRICES, **connection: object) -> int:
    """Add the model `claude`, which runs at this vendor; return its connection."""
    world.connection = world.add_connection(base_url, provider="anthropic", **connection)
    world.add_model("claude", prices=prices)
    return world.connection


def sdk(served: Served, key: str, **options: Any) -> anthropic.AsyncAnthropic:
    """Return the stock client, with nothing changed but its base URL and key."""
    return anthropic.AsyncAnthropic(base_url=served.url, api_key=key, **options)


def message(text: str = "Hello!", **usage: int) -> bytes:
    """Return a whole reply, with a field that no library knows."""
    content = [{"type": "text", "text": text}]
    return json.dumps(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-2026",
            "content": content,
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {**USAGE, **usage},
            "a_field_nobody_knows": {"kept": True},
        }
    ).encode()


def event(kind: str, **fields: Any) -> bytes:
    """Return one named event."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def start(**usage: Any) -> bytes:
    """Return the event that begins a message and says what its input was."""
    begun = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-2026", "content": []}
    return event(
        "message_start", message={**begun, "stop_reason": None, "usage": {**USAGE, "output_tokens": 1, **usage}}
    )


def words(*texts: str) -> bytes:
    """Return one block of text."""
    deltas = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in texts]
    began = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    return began + event("ping") + b"".join(deltas) + event("content_block_stop", index=0)


def end(**usage: Any) -> bytes:
    """Return the events that end a message and say what is billed."""
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return event("message_delta", delta=delta, usage={**USAGE, **usage}) + event("message_stop")


async def answer(call: VendorCall) -> None:
    """Answer like the vendor on a good day."""
    if call.path.partition("?")[0].endswith("/count_tokens"):
        await call.reply(b'{"input_tokens":16}')
    elif call.json.get("stream"):
        await call.begin_stream()
        await call.chunk(start() + words("Hel", "lo", "!"))
        await call.chunk(end())
        await call.end_stream()
    else:
        await call.reply(message())
