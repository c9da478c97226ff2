"""Which children an installation on one machine has, and how each is started."""

import importlib.util
import os
import sys

from governance.config.supervisor.children import ChildPlan, StopStage
from governance.core.environment import Environment

SANDBOX_PACKAGE = "bursar_plugin_sandbox"
_GATEWAY_STOP_SECONDS = 40.0
_WORKER_STOP_SECONDS = 30.0
_TASK_PROCESSES = "2"
_CELERY = ("-m", "celery", "--app", "governance.config.celery:app", "--quiet")


def has_sandbox(environment: Environment) -> bool:
    """Say whether the pretend vendor is installed and wanted."""
    if "sandbox" in environment.plugins_blocked:
        return False
    if environment.plugins_allowed is not None and "sandbox" not in environment.plugins_allowed:
        return False
    return importlib.util.find_spec(SANDBOX_PACKAGE) is not None


def gateway_plans(environment: Environment, descriptor: int) -> list[ChildPlan]:
    """Return the gateway's processes, which share one listening socket."""
    return [
        ChildPlan(
            name=f"gateway-{number}",
            command=(sys.executable, "-m", "governance.gateway", "--fd", str(descriptor)),
            variables=child_variables(environment, "gateway"),
            descriptors=(descriptor,),
            stage=StopStage.GATEWAY,
            stop_seconds=_GATEWAY_STOP_SECONDS,
        )
        for number in range(1, environment.gateway_workers + 1)
    ]


def console_plan(environment: Environment, descriptor: int) -> ChildPlan:
    """Return the console."""
    options = ("--fd", str(descriptor), "--no-access-log", "--no-server-header", "--log-level", "warning")
    graceful = ("--lifespan", "off", "--timeout-graceful-shutdown", "10")
    return ChildPlan(
        name="console",
        command=(sys.executable, "-m", "uvicorn", "governance.config.asgi:application", *options, *graceful),
        variables=child_variables(environment, "console"),
        descriptors=(descriptor,),
    )


def sandbox_plan(environment: Environment, descriptor: int) -> ChildPlan:
    """Return the pretend vendor."""
    return ChildPlan(
        name="sandbox",
        command=(sys.executable, "-m", SANDBOX_PACKAGE, "--fd", str(descriptor)),
        variables=child_variables(environment, "gateway"),
        descriptors=(descriptor,),
    )


def background_plans(environment: Environment) -> list[ChildPlan]:
    """Return Celery's worker and its scheduler."""
    variables = child_variables(environment, "worker")
    level = ("--loglevel", "WARNING")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    worker = (sys.executable, *_CELERY, "worker", *level, *quiet, "--concurrency", _TASK_PROCESSES)
    beat = (sys.executable, *_CELERY, "beat", *level, "--pidfile", "")
    return [
        ChildPlan(name="worker", command=worker, variables=variables, stop_seconds=_WORKER_STOP_SECONDS),
        ChildPlan(name="beat", command=beat, variables=variables),
    ]


def child_variables(environment: Environment, role: str) -> dict[str, str]:
    """Return the environment of a child: ours, with the folder named absolutely and its database role."""
    return dict(os.environ) | {
        "BURSAR_HOME": str(environment.home),
        "BURSAR_DATABASE_ROLE": role,
        "DJANGO_SETTINGS_MODULE": "governance.config.settings",
        "PYTHONUNBUFFERED": "1",
    }
