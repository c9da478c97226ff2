"""Checks of this machine: secrets, folders, ports, plugins."""

import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from governance.config.doctor.finding import Finding, bad, good, note
from governance.config.supervisor.readiness import answers
from governance.config.supervisor.sockets import is_free
from governance.core.environment import SECRETS_FILE, Environment, EnvironmentInvalid
from governance.core.plugins import PluginConflict, load_plugins

_OLDEST_PYTHON = (3, 11)


def is_running(environment: Environment) -> bool:
    """Say whether a `bursar up` holds this home."""
    lock = environment.home / "up.lock"
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def check_machine(environment: Environment) -> Iterator[Finding]:
    """Look at everything that needs no database."""
    yield _python()
    yield from _secrets(environment)
    yield _folder(environment.home)
    yield from _ports(environment)
    yield _plugins(environment)


def _python() -> Finding:
    version = ".".join(str(number) for number in sys.version_info[:3])
    if sys.version_info < _OLDEST_PYTHON:
        return bad("python", f"Python {version} is too old.", "Install Python 3.11 or later and make .venv anew.")
    return good("python", f"Python {version}.")


def _secrets(environment: Environment) -> Iterator[Finding]:
    try:
        _ = (environment.secret_key, environment.key_pepper, environment.sealing_keys)
    except EnvironmentInvalid as error:
        yield bad("secrets", str(error), "Set what is missing, or run `bursar up` once on this machine.")
    else:
        yield good("secrets", "The signing key, the pepper and the sealing keys are there and strong.")
    path = environment.home / SECRETS_FILE
    if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield bad("secrets", f"{path} can be read by others.", f"Run `chmod 600 {path}`.")


def _folder(home: Path) -> Finding:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return bad("folder", f"{home} cannot be written.", "Make it writable or set BURSAR_HOME to another folder.")
    return good("folder", f"{home} can be written.")


def _ports(environment: Environment) -> Iterator[Finding]:
    running = is_running(environment)
    for name, port in (("gateway", environment.gateway_port), ("console", environment.console_port)):
        variable = f"BURSAR_{name.upper()}_PORT"
        if running and answers(environment.host, port, "/readyz"):
            yield good(name, f"The {name} answers on port {port}.")
        elif running:
            yield bad(
                name, f"Bursar runs, but its {name} does not answer on port {port}.", "See the log of `bursar up`."
            )
        elif is_free(environment.host, port):
            yield note(name, f"Bursar does not run here; port {port} is free for the {name}.", "Run `bursar up`.")
        else:
            yield bad(name, f"Port {port} is in use by another program.", f"Stop it or set {variable} to a free port.")


def _plugins(environment: Environment) -> Finding:
    try:
        plugins = load_plugins(blocked=environment.plugins_blocked, allowed=environment.plugins_allowed)
    except PluginConflict as error:
        return bad("plugins", str(error), "Update or block the plugin with BURSAR_PLUGINS_BLOCKED.")
    names = sorted(plugins.providers)
    if not names:
        return bad("plugins", "No provider plugin is installed.", "Install the plugins of the folder plugins/.")
    return good("plugins", f"Providers: {', '.join(names)}.")
