"""Half-open connections: on both sides of a gateway the kernel is told to find out who is gone, within 90 seconds."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.vendor import Vendor, VendorCall, answer_plainly
from tests.gateway.world import Served, question

BOUND_SECONDS = 90


def _sockets_of_this_process() -> Iterator[socket.socket]:
    for entry in tuple(Path("/proc/self/fd").iterdir()):
        try:
            with socket.socket(fileno=os.dup(int(entry.name))) as found:
                yield found
        except OSError:
            continue


def _notice_seconds(connected: socket.socket) -> tuple[float, float]:
    """Return after how many seconds at most a silent peer is given up, and one that does not confirm what was sent."""
    assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    idle, interval, probes, milliseconds = (
        connected.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    )
    return idle + interval * probes, milliseconds / 1000


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone bounds what is unanswered.")
async def test_who_is_gone_without_a_goodbye_is_noticed_on_both_sides(served: Served, vendor: Vendor, key: str) -> None:
    gateway_port = int(served.url.rpartition(":")[2])
    found: dict[str, tuple[float, float]] = {}

    async def answer(call: VendorCall) -> None:
        for each in _sockets_of_this_process():
            try:
                own, peer = each.getsockname()[1], each.getpeername()[1]
            except (OSError, IndexError):
                continue
            if own == gateway_port:
                found["client"] = _notice_seconds(each)
            elif peer == vendor.port:
                found["vendor"] = _notice_seconds(each)
        await answer_plainly(call)

    vendor.answer = answer
    async with served.client(key) as client:
        assert (await client.post("/v1/chat/completions", json=question())).status_code == 200
    assert set(found) == {"client", "vendor"}
    for silent, unanswered in found.values():
        assert 0 < silent < BOUND_SECONDS
        assert 0 < unanswered < BOUND_SECONDS
