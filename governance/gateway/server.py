"""uvicorn's server around our own protocol: it accepts connections, and drains them when it is told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import uvicorn

from governance.gateway.app import Gateway
from governance.gateway.connection import HttpConnection, ServerState


class GatewayServer(uvicorn.Server):
    """Stops at the first signal with exit code 0 and says so to the gateway."""

    def __init__(self, gateway: Gateway, **options: Any) -> None:
        """Take over uvicorn's own options where given."""
        super().__init__(uvicorn.Config(**{**_options(gateway), **options}))
        self._gateway = gateway

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as the wish to stop; a second one changes nothing, the drain is bounded anyway."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self._gateway.is_stopping = True
        self.should_exit = True


def _options(gateway: Gateway) -> dict[str, Any]:
    limits = gateway.vendors.limits

    def connect(*, server_state: ServerState, **_: object) -> HttpConnection:
        return HttpConnection(
            answer=gateway,
            server=server_state,
            watchdog=gateway.vendors.watchdog,
            limits=limits,
            identifiers=gateway.identifiers,
        )

    return {
        "app": gateway,
        "http": connect,
        "ws": "none",
        "loop": "uvloop",
        "lifespan": "off",
        "interface": "asgi3",
        "access_log": False,
        "log_config": None,
        "proxy_headers": False,
        "server_header": False,
        "backlog": limits.backlog,
        "timeout_graceful_shutdown": limits.drain_seconds,
    }
