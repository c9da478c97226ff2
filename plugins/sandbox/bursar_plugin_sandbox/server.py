"""The sandbox's HTTP server: a small ASGI application, no framework."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from bursar_plugin_sandbox.replies import Answer, answer, error_body, error_event, stream_events, whole_reply
from bursar_plugin_sandbox.requests import MODEL, ChatRequest, RequestRefused, read_request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES = 64 * 1024 * 1024
_LABEL = (b"x-bursar-sandbox", b"true")
_JSON = (b"content-type", b"application/json")
_EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")


class ClientGone(Exception):
    """The client closed the connection before the reply was complete."""


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer one HTTP request."""
    if scope["type"] != "http":
        return
    route = (scope["method"], scope["path"])
    if route == ("GET", "/healthz"):
        await _reply(send, 200, b'{"status":"ok"}')
    elif route == ("GET", "/v1/models"):
        models = [{"id": MODEL, "object": "model", "created": 0, "owned_by": "bursar-sandbox"}]
        await _reply(send, 200, msgspec.json.encode({"object": "list", "data": models}))
    elif route == ("POST", "/v1/chat/completions"):
        await _chat(receive, send)
    else:
        await _reply(send, 404, error_body(404, "not_found", "The sandbox serves /v1/chat/completions."))


async def _chat(receive: Receive, send: Send) -> None:
    try:
        request = read_request(await _body(receive))
    except RequestRefused as refusal:
        await _reply(send, refusal.status, error_body(refusal.status, refusal.code, str(refusal)))
        return
    except ClientGone:
        return
    directives = request.directives
    await asyncio.sleep(directives.delay_ms / 1000)
    if directives.stall == "first-byte":
        await _until_gone(receive)
    elif directives.fail is not None:
        message = f"The sandbox was told to fail with {directives.fail}."
        headers = ((b"retry-after", b"1"),) if directives.fail == 429 else ()
        await _reply(send, directives.fail, error_body(directives.fail, "sandbox_error", message), headers)
    elif request.stream:
        await _stream(request, answer(request), receive, send)
    else:
        await _reply(send, 200, whole_reply(request, answer(request)))


async def _stream(request: ChatRequest, said: Answer, receive: Receive, send: Send) -> None:
    directives = request.directives
    headers = [_EVENT_STREAM, _LABEL, (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    middle = (1 + len(said.pieces) // 2) * request.choices
    for number, event in enumerate(stream_events(request, said)):
        if number == middle and directives.stall == "mid-stream":
            await _until_gone(receive)
            return
        if number == middle and directives.cut == "mid-stream":
            return
        if number == middle and directives.error == "mid-stream":
            await send({"type": "http.response.body", "body": error_event(), "more_body": False})
            return
        if number and directives.chunk_delay_ms:
            await asyncio.sleep(directives.chunk_delay_ms / 1000)
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _reply(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, _LABEL, length, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _body(receive: Receive) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BODY_BYTES:
            raise RequestRefused(413, "request_too_large", f"The sandbox takes at most {MAX_BODY_BYTES} bytes.")
        if not message.get("more_body"):
            return b"".join(pieces)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
