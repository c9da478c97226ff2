"""JSON lines on standard error: one per request, and what operators must know. Never prompts, never secrets."""

import logging
import sys

import msgspec
import structlog

from governance.core.money import usd_text
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


def request_line(exchange: Exchange, *, ended_at: float) -> dict[str, object]:
    """Return the facts of one request, as they are logged."""
    facts = exchange.facts
    line: dict[str, object] = {
        "request_id": str(exchange.request_id),
        "route": facts.route,
        "status": facts.status,
        "milliseconds": round((ended_at - facts.started_at) * 1000, 2),
    }
    if facts.key_id is not None:
        line |= {"key_id": facts.key_id, "team_id": facts.team_id}
    if facts.alias:
        line |= {"alias": facts.alias, "is_stream": facts.is_stream}
    if facts.code:
        line["code"] = facts.code
    if facts.attempt_id is not None:
        line |= {"attempt_id": str(facts.attempt_id), "outcome": facts.outcome}
    if facts.attempts > 1:
        line["attempts"] = facts.attempts
    if facts.usage is not None:
        line |= {"input_tokens": facts.usage.input_tokens, "output_tokens": facts.usage.output_tokens}
    if facts.charge_nano is not None:
        line["cost_usd"] = usd_text(facts.charge_nano)
    return line


def _encode(value: dict[str, object], **_: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=str)
