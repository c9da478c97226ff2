"""A scripted vendor on a real port: it speaks as much HTTP as is needed, and every byte of it is under control."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
DONE = b"data: [DONE]\n\n"


@dataclass
class VendorCall:
    """One request that reached the vendor, and the connection to answer on."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    async def reply(self, body: bytes, *, status: int = 200, headers: str = "content-type: application/json") -> None:
        head = f"HTTP/1.1 {status} Whatever\r\n{headers}\r\ncontent-length: {len(body)}\r\n\r\n"
        await self.send(head.encode() + body)

    async def begin_stream(self) -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def closed(self) -> None:
        """Return when the gateway has closed this connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(4096):
                pass


Answer = Callable[[VendorCall], Awaitable[None]]


def chat_reply(text: str = "Hello!", *, prompt: int = 9, completion: int = 3) -> bytes:
    """Return a whole reply, with a field that no library knows."""
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "tiny-2026",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
            "a_field_nobody_knows": {"kept": True},
        }
    ).encode()


def chat_event(text: str | None = None, *, usage: dict[str, int] | None = None, finish: str | None = None) -> bytes:
    """Return one event of a stream; with usage, the extra event that carries it."""
    choices = [] if usage else [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]
    event = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "tiny-2026", "choices": choices}
    return b"data: " + json.dumps({**event, "usage": usage}).encode() + b"\n\n"


async def answer_plainly(call: VendorCall) -> None:
    """Answer like a vendor on a good day."""
    if not call.json.get("stream"):
        await call.reply(chat_reply())
        return
    await call.begin_stream()
    for word in ("Hel", "lo", "!"):
        await call.chunk(chat_event(word))
    await call.chunk(chat_event(finish="stop") + chat_event(usage=USAGE) + DONE)
    await call.end_stream()


def refusing(status: int, body: bytes = b'{"error":{"message":"no"}}', *, headers: str = "x-a: b") -> Answer:
    """Return an answer that is an error."""

    async def answer(call: VendorCall) -> None:
        await call.reply(body, status=status, headers=f"content-type: application/json\r\n{headers}")

    return answer


async def break_off(call: VendorCall) -> None:
    """Close the connection instead of answering."""
    call.writer.transport.abort()


async def break_off_in_the_body(call: VendorCall) -> None:
    """Begin a whole answer, and close the connection."""
    await call.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{")
    call.writer.transport.abort()


async def break_off_before_the_first_event(call: VendorCall) -> None:
    """Begin a stream, and close the connection before there is anything in it."""
    await call.begin_stream()
    call.writer.transport.abort()


async def say_nothing(call: VendorCall) -> None:
    """Take the request, and never answer."""
    await call.closed()


def in_turn(*answers: Answer) -> Answer:
    """Return an answer that is each of these once, then the last one for ever."""
    left = list(answers)

    async def answer(call: VendorCall) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(call)

    return answer


class Vendor:
    """`answer` decides what is said; `calls` is what reached it."""

    def __init__(self) -> None:
        self.calls: list[VendorCall] = []
        self.answer: Answer = answer_plainly
        self.port = 0
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                await self._serve_one(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._connections.discard(task)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = request.split(" ")
        call = VendorCall(method, path, headers, body, reader, writer)
        self.calls.append(call)
        await self.answer(call)

    async def stop(self) -> None:
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
