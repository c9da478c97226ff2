"""Tells a client that it does not get its answer, or not the rest of it."""

import asyncio

from governance.core.errors import BursarError
from governance.core.ids import uuid_text
from governance.gateway.dialects import dialect_of
from governance.gateway.exchange import Exchange


async def refuse(exchange: Exchange, error: BursarError, *, seconds: float, field: str | None = None) -> None:
    """Tell it in its own wire, within a stream that has begun too; a client that takes so long to listen is cut off."""
    exchange.facts.code = error.code
    if not exchange.has_started:
        status, headers, body = dialect_of(exchange).error_response(error, field=field)
        if exchange.facts.attempt_id is not None:
            headers.append((b"x-bursar-attempt-id", uuid_text(exchange.facts.attempt_id)))
        if exchange.facts.attempts > 1:
            headers.append((b"x-bursar-attempts", b"%d" % exchange.facts.attempts))
        await exchange.respond(status, headers, body)
        return
    if exchange.is_answered:
        return
    if exchange.is_whole:
        exchange.abort()
        return
    try:
        async with asyncio.timeout(seconds):
            await exchange.write(dialect_of(exchange).error_event(error), is_last=True)
    except TimeoutError:
        exchange.abort()
