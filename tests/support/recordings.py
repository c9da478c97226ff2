"""Recorded replies of real vendors, which lie beside the repository."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from governance.plugin import TokenClass, UsageReport

FOLDER = Path(os.environ.get("BURSAR_RECORDINGS") or Path(__file__).parents[2].parent / "shared" / "recordings")


def exchange(name: str, number: int = 0) -> dict[str, Any]:
    """Return one request and its response. Fails in CI when they are missing, skips elsewhere."""
    path = FOLDER / name
    if not path.is_file():
        message = f"{path} is missing: set BURSAR_RECORDINGS to the folder of recorded replies."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    recorded: dict[str, Any] = json.loads(path.read_bytes())["exchanges"][number]
    return recorded


def counted(report: UsageReport) -> dict[str, int]:
    """Return the disjoint counts by class, without zeros and without the request itself."""
    return {kind.value: n for kind, n in report.usage.counts().items() if n and kind is not TokenClass.REQUEST}
