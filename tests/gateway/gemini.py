"""A model of Gemini's wire in the world, and replies as Gemini's API makes them."""

import json
from typing import Any

from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.world import CREDENTIAL, World

PRICES = {"input": "1000", "cache_read": "100", "output": "2000", "reasoning": "3000"}
COUNTS = {"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 14}
ASK = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
CAPPED = {**ASK, "generationConfig": {"maxOutputTokens": 50}}
KEY_HEADER = "x-goog-api-key"


def add_gemini(world: World, vendor: Vendor) -> None:
    """Put the model `flash`, and `embedder`, which has no price for output, behind a connection of the wire."""
    base_url = f"http://127.0.0.1:{vendor.port}"
    world.connection = world.add_connection(base_url, provider="gemini", credential=CREDENTIAL)
    world.add_model("flash", prices=PRICES)
    world.add_model("embedder", prices={"input": "150"})


def reply(text: str = "Hello!", *, finish: str | None = "STOP", **counts: int) -> bytes:
    """Return one chunk, or a whole reply, with a field that no library knows."""
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    return json.dumps(
        {
            "candidates": [candidate | ({"finishReason": finish} if finish else {})],
            "usageMetadata": counts or COUNTS,
            "modelVersion": "flash-002",
            "aFieldNobodyKnows": {"kept": True},
        },
        indent=1,
    ).encode()


CHUNKS = (
    reply("Hel", finish=None, promptTokenCount=9, candidatesTokenCount=1, thoughtsTokenCount=2),
    reply("lo!", finish=None, promptTokenCount=9, candidatesTokenCount=2),
    reply(""),
)
AS_EVENTS = tuple(b"data: " + json.dumps(json.loads(chunk)).encode() + b"\r\n\r\n" for chunk in CHUNKS)
AS_ARRAY = (b"[" + CHUNKS[0], b"\n,\r\n" + CHUNKS[1], b"\n,\r\n" + CHUNKS[2], b"\n]")


async def begin(call: VendorCall) -> None:
    """Begin a stream in the framing that the query asks for."""
    kind = "text/event-stream" if call.path.endswith("?alt=sse") else "application/json; charset=UTF-8"
    await call.send(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())


async def answer_generated(call: VendorCall) -> None:
    """Answer like the vendor on a good day."""
    if ":streamGenerateContent" not in call.path:
        await call.reply(reply())
        return
    await begin(call)
    for part in AS_EVENTS if call.path.endswith("?alt=sse") else AS_ARRAY:
        await call.chunk(part)
    await call.end_stream()
