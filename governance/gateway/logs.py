"""JSON lines on standard error: one per request, and what operators must know. Never prompts, never secrets."""

import asyncio
import logging
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
import structlog

from governance.gateway.exchange import Exchange


def configure(level: str) -> None:
    """Set up structlog, and bring the standard library's loggers (uvicorn's, psycopg's) into the same form."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_encode)],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(getattr(logging, level), logging.WARNING), force=True)


class RequestLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The facts of one request, as they are logged."""

    request_id: UUID
    route: str
    status: int
    milliseconds: float
    key_id: int | None = None
    team_id: int | None = None
    alias: str = ""
    is_stream: bool | None = None
    code: str = ""
    attempt_id: UUID | None = None
    attempts: int | None = None
    outcome: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: str = ""
    guarded: list[str] = []
    event: Literal["request"]
    level: Literal["info"]
    timestamp: datetime


class RequestLog:
    """One line per request, encoded directly and written together with the others of the same turn of the loop."""

    def __init__(self, *, write: Callable[[bytes], object], is_on: bool) -> None:
        self._write = write
        self._is_on = is_on
        self._lines: list[bytes] = []
        self._encode = msgspec.json.Encoder().encode

    def tell(self, exchange: Exchange, *, ended_at: float, at: datetime) -> None:
        """Log one request. `ended_at` by `time.perf_counter`."""
        if not self._is_on:
            return
        facts = exchange.facts
        usage = facts.usage
        line = RequestLine(
            request_id=exchange.request_id,
            route=facts.route,
            status=facts.status,
            milliseconds=round((ended_at - facts.started_at) * 1000, 2),
            key_id=facts.key_id,
            team_id=facts.team_id,
            alias=facts.alias,
            is_stream=facts.is_stream if facts.alias else None,
            code=facts.code,
            attempt_id=facts.attempt_id,
            attempts=facts.attempts if facts.attempts > 1 else None,
            outcome=facts.outcome,
            input_tokens=None if usage is None else usage.input_tokens,
            output_tokens=None if usage is None else usage.output_tokens,
            cost_usd=facts.cost_usd,
            guarded=sorted({kind for _, kind, _ in facts.findings}) if facts.findings else [],
            event="request",
            level="info",
            timestamp=at,
        )
        self._lines.append(self._encode(line))
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write what was told."""
        lines, self._lines = self._lines, []
        if lines:
            self._write(b"\n".join(lines) + b"\n")


def request_log() -> RequestLog:
    """Return the log of this process's requests: standard error, if its level lets them through."""
    return RequestLog(write=_write, is_on=structlog.get_logger("bursar.gateway").is_enabled_for(logging.INFO))


def _write(lines: bytes) -> None:
    sys.stderr.buffer.write(lines)
    sys.stderr.buffer.flush()


def _encode(value: dict[str, object], **_: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)
