"""Other gateways beside ours, as their makers ship them: what `make bench-peers` put into BENCH_PEERS takes part.

They proxy only: neither has a database here, nor keys, budgets or usage rows, which would cost them more. A reply of
theirs is written anew from what they read, so what must come is their first one, which must hold the upstream's answer.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.bench import machine
from tests.bench.cases import Case, Meters
from tests.bench.scene import Scene, stopping, wait_for_port

_START_SECONDS = 90
_KEY = "sk-" + "0123456789abcdef" * 4
_LITELLM_MODELS = """
model_list:
  - model_name: bench-chat
    litellm_params: {{model: openai/bench-model, api_base: "http://127.0.0.1:{port}/v1", api_key: nothing}}
"""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """How to start one on a port, and what its clients send beside the body."""

    name: str
    program: Path
    arguments: tuple[str, ...]
    headers: tuple[str, ...] = ()


@contextlib.contextmanager
def open_peers(scene: Scene, folder: Path | None) -> Iterator[list[Case]]:
    """Start every peer that is installed in the folder, one process each on the proxy's core."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(_running(scene, *peer)) for peer in _installed(scene, folder)]


def _installed(scene: Scene, folder: Path | None) -> list[tuple[Peer, int]]:
    if folder is None:
        return []
    peers = []
    for make in (_litellm, _portkey):
        port = machine.free_port()
        peer = make(scene, folder, port)
        if peer.program.exists():
            peers.append((peer, port))
    if not peers:
        raise SystemExit(f"BENCH_PEERS names {folder}, which holds no peer: `make bench-peers` installs them.")
    return peers


def _litellm(scene: Scene, folder: Path, port: int) -> Peer:
    models = scene.folder / "litellm.yaml"
    models.write_text(_LITELLM_MODELS.format(port=scene.json_port), encoding="utf-8")
    arguments = ("--config", str(models), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    return Peer(name="litellm", program=folder / "litellm" / "bin" / "litellm", arguments=arguments)


def _portkey(scene: Scene, folder: Path, port: int) -> Peer:
    host = f"http://127.0.0.1:{scene.json_port}/v1"
    return Peer(
        name="portkey",
        program=folder / "portkey" / "node_modules" / ".bin" / "gateway",
        arguments=(f"--port={port}", "--headless"),
        headers=("x-portkey-provider: openai", f"x-portkey-custom-host: {host}"),
    )


@contextlib.contextmanager
def _running(scene: Scene, peer: Peer, port: int) -> Iterator[Case]:
    told = {"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "LITELLM_MASTER_KEY": _KEY, "NODE_ENV": "production"}
    with (scene.folder / f"{peer.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [peer.program, *peer.arguments],
            env={**os.environ, **told},
            cwd=scene.folder,
            stdout=log,
            stderr=log,
        )
        with stopping(process):
            wait_for_port(port, seconds=_START_SECONDS)
            processes = [process.pid, *machine.descendants(process.pid)]
            for each in processes:
                machine.pin(each, scene.cores.proxy)
            yield Case(
                name=peer.name,
                port=port,
                model="bench-chat",
                is_stream=False,
                meters=Meters(processes=lambda: processes),
                keys=(_KEY,),
                headers=peer.headers,
                is_rewritten=True,
            )
