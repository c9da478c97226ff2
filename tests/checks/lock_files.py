"""The lock files say what pyproject.toml asks for: `python -m tests.checks.lock_files`."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_LOCKS = {
    "runtime": (),
    "development": ("development",),
    "browser": ("development", "browser"),
    "mutation": ("development", "mutation"),
}


def complaints(name: str, extras: tuple[str, ...]) -> Iterator[str]:
    """Yield one sentence per requirement that the lock file does not meet, or pins without a hash."""
    path = Path("requirements") / f"{name}.txt"
    pins = dict(_pins(path))
    for text in _requirements(extras):
        requirement = Requirement(text)
        pinned = pins.get(canonicalize_name(requirement.name))
        if pinned is None:
            yield f"{path}: does not pin {requirement.name}: compile it again."
        elif not requirement.specifier.contains(pinned, prereleases=True):
            yield f"{path}: pins {requirement.name} {pinned}, and pyproject.toml asks for {requirement.specifier}."


def _requirements(extras: tuple[str, ...]) -> list[str]:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    offered = project["optional-dependencies"]
    return [*project["dependencies"], *(text for extra in extras for text in offered[extra])]


def _pins(path: Path) -> Iterator[tuple[str, str]]:
    logical_lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    for line in logical_lines:
        found = _PIN.match(line)
        if found is not None:
            if "--hash=sha256:" not in line:
                raise SystemExit(f"{path}: pins {found[1]} without a hash: compile it with hashes.")
            yield canonicalize_name(found[1]), found[2]


def main() -> int:
    """Check every lock file and return the exit code."""
    found = [complaint for name, extras in _LOCKS.items() for complaint in complaints(name, extras)]
    print("\n".join(found) or f"Lock files: {len(_LOCKS)} meet pyproject.toml.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
