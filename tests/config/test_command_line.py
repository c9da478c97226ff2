"""The command `bursar` before anything was ever started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BURSAR = Path(sys.executable).parent / "bursar"


@pytest.mark.parametrize("words", [["keys", "issue"], ["gateway"], ["prepare"]])
def test_help_teaches_where_nothing_was_ever_started(words: list[str], tmp_path: Path) -> None:
    variables = {"PATH": os.environ["PATH"], "BURSAR_HOME": str(tmp_path / "home")}
    done = subprocess.run([BURSAR, *words, "--help"], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"bursar {' '.join(words)}" in done.stdout
    assert "example:" in done.stdout
