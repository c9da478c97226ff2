"""The arithmetic of leases exists once: gateway and simulator share it, and nothing else moves a lease's money."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS_OF_A_LEASE = {"available", "in_flight", "unbooked"}


def assigned_attributes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and not _is_own(node):
            yield node.attr


def _is_own(node: ast.Attribute) -> bool:
    """Return whether an object changes itself: it may have such an attribute; a lease's are changed from outside."""
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def test_only_leases_py_assigns_the_parts_of_a_lease() -> None:
    paths = [path for folder in ("governance", "tests/simulate") for path in (ROOT / folder).rglob("*.py")]
    # mutations.py breaks the arithmetic on purpose.
    movers = {path.name for path in paths if PARTS_OF_A_LEASE & set(assigned_attributes(path))}
    assert movers == {"leases.py", "mutations.py"}


def test_the_simulator_has_no_sizes_of_its_own() -> None:
    bank = ast.parse((ROOT / "tests/simulate/bank.py").read_text(encoding="utf-8"))
    used = {node.attr for node in ast.walk(bank) if isinstance(node, ast.Attribute)}
    assert {"grant", "is_payable", "is_spent"} <= used
