"""The example of the plugin authors' guide: built as a wheel, installed into a fresh environment, called through."""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.conftest import environment, limits, vendor, world
from tests.gateway.vendor import Vendor, chat_reply
from tests.gateway.world import CREDENTIAL, World, question

__all__ = ["environment", "limits", "vendor", "world"]

EXAMPLE = Path(__file__).parents[2] / "docs/example_plugin"


def run(*command: str | Path, folder: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a fresh environment that has the example as a wheel, and Bursar as it stands here."""
    folder = tmp_path_factory.mktemp("example")
    # Built from a copy: setuptools writes beside what it builds.
    source = Path(shutil.copytree(EXAMPLE, folder / "source"))
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder / "wheels", source)
    (wheel,) = (folder / "wheels").glob("*.whl")
    venv.create(folder / "fresh", with_pip=False)
    fresh = folder / "fresh/bin/python"
    packages = Path(run(fresh, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    ours = sysconfig.get_path("purelib")
    (packages / "bursar.pth").write_text(f"import site; site.addsitedir({ours!r})\n", encoding="utf-8")
    run(*pip, "--python", fresh, "install", "--no-deps", "--no-index", wheel)
    return fresh


def test_the_wheel_passes_the_conformance_kit(python: Path) -> None:
    told = run(python, "-m", "pytest", "-p", "no:cacheprovider", "tests", folder=python.parents[2] / "source")
    assert re.search(r"= \d+ passed in", told), told


def test_its_offers_are_listed_where_it_is_installed_and_only_there(python: Path) -> None:
    listing = ("-m", "governance.config.command_line", "plugins")
    assert "acme_first" in run(python, *listing)
    assert "acme" not in run(sys.executable, *listing)


@pytest.fixture
async def gateway_url(python: Path, world: World) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        variables = {
            **os.environ,
            "BURSAR_HOME": str(world.environment.home),
            "BURSAR_GATEWAY_DATABASE_URL": world.environment.database_url("gateway"),
        }
        process = await asyncio.create_subprocess_exec(
            *(python, "-m", "governance.gateway", "--fd", str(listener.fileno())),
            pass_fds=[listener.fileno()],
            env=variables,
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def test_a_model_is_called_through_the_installed_wheel(gateway_url: str, world: World, vendor: Vendor) -> None:
    world.execute("UPDATE connections_connection SET provider = 'acme'")
    _, key = world.add_key()
    async with httpx.AsyncClient(base_url=gateway_url, timeout=60, trust_env=False) as client:
        reply = await client.post("/v1/chat/completions", json=question(), headers={"authorization": f"Bearer {key}"})
    assert (reply.status_code, reply.content) == (200, chat_reply())
    (call,) = vendor.calls
    assert call.headers["acme-api-key"] == CREDENTIAL
    assert "authorization" not in call.headers
    (record,) = await world.recorded()
    assert record["charge_nano"] == 9 * 1000 + 3 * 2000
