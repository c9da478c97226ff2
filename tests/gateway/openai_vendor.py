"""What the scripted vendor says where it is OpenAI: responses whole and streamed, embeddings, moderations."""

import json
from typing import Any

from tests.gateway.vendor import Answer, VendorCall

CREATED = 1_790_000_000


def response(*, status: str = "completed", text: str = "Hello!", usage: Any = ..., **fields: Any) -> dict[str, Any]:
    """Return a response, with a field that no library knows."""
    if usage is ...:
        usage = {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 12,
        }
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "tiny-2026",
        "output": [
            {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]},
        ],
        "parallel_tool_calls": True,
        "service_tier": "default",
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
        "a_field_nobody_knows": {"kept": True},
        **fields,
    }


def event(kind: str, number: int, **fields: Any) -> bytes:
    """Return one event of a streamed response."""
    data = json.dumps({"type": kind, "sequence_number": number, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def delta(text: str, number: int) -> bytes:
    """Return a piece of the text."""
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": [], "obfuscation": "x8Fq"}
    return event("response.output_text.delta", number, delta=text, **place)


OPENING = event("response.created", 0, response=response(status="in_progress", usage=None, output=[]))
_ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
_PART = {"type": "output_text", "text": "", "annotations": []}
ITEM = event("response.output_item.added", 1, output_index=0, item=_ITEM) + event(
    "response.content_part.added", 2, item_id="msg_1", output_index=0, content_index=0, part=_PART
)
ENDING = event("response.completed", 5, response=response())
STREAM = OPENING + ITEM + delta("Hel", 3) + delta("lo!", 4) + ENDING


def streaming(*chunks: bytes) -> Answer:
    """Return an answer that is this stream."""

    async def answer(call: VendorCall) -> None:
        await call.begin_stream()
        for chunk in chunks:
            await call.chunk(chunk)
        await call.end_stream()

    return answer


def replying(body: dict[str, Any]) -> Answer:
    """Return an answer that is this object."""

    async def answer(call: VendorCall) -> None:
        await call.reply(json.dumps(body).encode())

    return answer


async def answer_responses(call: VendorCall) -> None:
    """Answer like OpenAI on a good day."""
    chunks = (OPENING + ITEM, delta("Hel", 3), delta("lo!", 4), ENDING)
    await (streaming(*chunks) if call.json.get("stream") else _whole)(call)


_whole = replying(response())
