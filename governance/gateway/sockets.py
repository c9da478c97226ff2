"""Peers that are gone without a goodbye: found out by the kernel, so that they hold no connection for hours."""

import asyncio
import socket
from typing import Final

IDLE_SECONDS: Final = 30
"""So long a connection is silent before the other side is asked whether it is still there."""
INTERVAL_SECONDS: Final = 10
PROBES: Final = 3
UNANSWERED_SECONDS: Final = 60
"""So long what was sent may stay without the other side's word that it arrived, or that there is room for more."""

_OPTIONS: Final = tuple(
    (level, getattr(socket, name), value)
    for level, name, value in (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", IDLE_SECONDS),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", INTERVAL_SECONDS),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", PROBES),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", UNANSWERED_SECONDS * 1000),
    )
    # Not every system has every one of them.
    if hasattr(socket, name)
)


def notice_dead_peer(transport: asyncio.BaseTransport) -> None:
    """Have the kernel end this connection at most 60 seconds after its peer was last heard of."""
    connected = transport.get_extra_info("socket")
    if connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
        for level, option, value in _OPTIONS:
            connected.setsockopt(level, option, value)
