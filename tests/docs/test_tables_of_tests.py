"""The pages that say which test holds what name only tests that exist, and leave no line without one."""

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_NAMED = re.compile(r"`((?:plugins/[a-z_]+/)?tests/[a-z_/]+\.py)(?:::([A-Za-z_0-9]+))?`")
_INVARIANTS = 24


def _names_in(path: Path) -> set[str]:
    """Return what can be named in this file: its tests, and what hypothesis makes of its state machines."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize(
    ("page", "least"), [("docs/invariants.md", 30), ("docs/security.md", 100), ("docs/faults.md", 15)]
)
def test_every_test_that_is_named_exists(page: str, least: int) -> None:
    named = _NAMED.findall((_ROOT / page).read_text())
    assert len(named) > least
    missing = [
        (path, name)
        for path, name in named
        if not (_ROOT / path).is_file() or (name and name not in _names_in(_ROOT / path))
    ]
    assert missing == []


def test_every_invariant_has_a_line_with_a_test() -> None:
    lines = [line for line in (_ROOT / "docs/invariants.md").read_text().splitlines() if line.startswith("| I")]
    assert [line.split("|")[1].strip() for line in lines] == [f"I{number}" for number in range(1, _INVARIANTS + 1)]
    assert [line for line in lines if not _NAMED.search(line)] == []


def test_every_attack_has_a_test() -> None:
    lines = [line for line in (_ROOT / "docs/security.md").read_text().splitlines() if line.startswith("| ")]
    attacks = [line for line in lines if not line.endswith("| test |")]
    assert len(attacks) > 90
    assert [line for line in attacks if not _NAMED.search(line)] == []
