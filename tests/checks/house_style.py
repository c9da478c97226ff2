"""The limits that `docs` and reviewers rely on, checked on every Python file: `python -m tests.checks.house_style`.

Functions of at most 70 lines, files of at most 500, at most 7 arguments, no imports inside functions; plugins import
only `governance.plugin` of ours, and nothing of ours imports a plugin.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.checks.tree import tracked_files

FUNCTION_LINES = 70
FILE_LINES = 500
ARGUMENTS = 7

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def complaints(path: Path) -> Iterator[str]:
    """Yield one sentence per broken limit."""
    text = path.read_text(encoding="utf-8")
    if text.count("\n") > FILE_LINES:
        yield f"{path}: {text.count(chr(10))} lines, and a file has at most {FILE_LINES}: split it."
    tree = ast.parse(text, str(path))
    for node in ast.walk(tree):
        if isinstance(node, _Function):
            yield from _function(path, node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _import(path, node)


def _function(path: Path, function: _Function) -> Iterator[str]:
    place = f"{path}:{function.lineno}: {function.name}"
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if lines > FUNCTION_LINES:
        yield f"{place} has {lines} lines, and a function has at most {FUNCTION_LINES}: split it."
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    count = sum(argument.arg not in ("self", "cls") for argument in named)
    if count > ARGUMENTS:
        yield f"{place} takes {count} arguments, and a function takes at most {ARGUMENTS}: pass a struct."
    for node in ast.walk(function):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield f"{path}:{node.lineno}: an import inside {function.name}: move it to the top, or mend the layers."


def _import(path: Path, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    for name in names:
        if path.parts[0] == "governance" and name.startswith("bursar_plugin_"):
            yield f"{path}:{node.lineno}: imports the plugin {name}: plugins are found by entry points."
        if path.parts[0] != "plugins":
            continue
        if name.split(".")[0] == "governance" and not f"{name}.".startswith("governance.plugin."):
            yield f"{path}:{node.lineno}: a plugin imports {name}: it may import governance.plugin only."
        own = f"bursar_plugin_{path.parts[1]}"
        if name.startswith("bursar_plugin_") and name.split(".")[0] != own:
            yield f"{path}:{node.lineno}: a plugin imports another plugin, {name}."


def main() -> int:
    """Check every file and return the exit code."""
    files = [path for path in tracked_files() if path.suffix == ".py" and "migrations" not in path.parts]
    found = [complaint for path in files for complaint in complaints(path)]
    print("\n".join(found) or f"House style: {len(files)} files within the limits.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
