"""The queue in PostgreSQL: the console sends, the worker receives, and what was not finished comes back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kombu import Connection, Consumer, Producer, Queue

from governance.config.broker import QUEUE, broker_settings
from governance.core.database_url import DatabaseRole


@contextmanager
def _broker(url: str, visibility_seconds: int = 30) -> Iterator[Connection]:
    settings = broker_settings(None, url)
    options = settings.options | {"visibility_timeout": visibility_seconds}
    with Connection(settings.url, transport=settings.transport, transport_options=options) as connection:
        yield connection


def _send(connection: Connection, body: dict[str, Any]) -> None:
    Producer(connection, serializer="json").publish(body, routing_key=QUEUE, declare=[Queue(QUEUE)])


def _receive(connection: Connection, *, is_acknowledged: bool) -> dict[str, Any]:
    received: list[dict[str, Any]] = []

    def take(body: dict[str, Any], message: Any) -> None:
        received.append(body)
        if is_acknowledged:
            message.ack()

    with Consumer(connection, [Queue(QUEUE)], callbacks=[take], accept=["json"]):
        for _ in range(20):
            try:
                connection.drain_events(timeout=0.5)
            except TimeoutError:
                continue
            break
    assert len(received) == 1
    return received[0]


def test_a_message_of_the_console_reaches_the_worker(database_urls: dict[DatabaseRole, str]) -> None:
    with _broker(database_urls["console"]) as console, _broker(database_urls["worker"]) as worker:
        _send(console, {"month": "2026-11"})
        assert _receive(worker, is_acknowledged=True) == {"month": "2026-11"}


def test_what_a_killed_worker_did_not_finish_is_delivered_again(database_urls: dict[DatabaseRole, str]) -> None:
    with _broker(database_urls["console"]) as console:
        _send(console, {"task": "unfinished"})
    with _broker(database_urls["worker"], visibility_seconds=1) as first:
        _receive(first, is_acknowledged=False)
    with _broker(database_urls["worker"]) as second:
        assert _receive(second, is_acknowledged=True) == {"task": "unfinished"}


def test_the_gateway_cannot_send_or_read_tasks(database_urls: dict[DatabaseRole, str]) -> None:
    with _broker(database_urls["gateway"]) as gateway, pytest.raises(Exception, match="permission denied"):
        _send(gateway, {"forged": True})


def test_another_broker_is_used_as_it_is_named() -> None:
    settings = broker_settings("redis://queue:6379/0", "postgresql://ignored/x")
    assert (settings.url, settings.transport) == ("redis://queue:6379/0", None)
