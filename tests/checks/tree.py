"""The files of the project."""

import subprocess
from pathlib import Path


def tracked_files() -> list[Path]:
    """Return the files that git tracks or would track, relative to the root of the project."""
    answer = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, check=True
    )
    paths = (Path(name) for name in answer.stdout.decode().split("\0") if name)
    return sorted(path for path in paths if path.is_file())
