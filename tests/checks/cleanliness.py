"""Nothing in the tree that must not leave this house: `python -m tests.checks.cleanliness`.

No secret, no host of a package index, no path of the machine that wrote it.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.checks.tree import tracked_files

# Written in pieces, so that this file does not find itself.
_FORBIDDEN = {
    "a private key": "-----BEGIN [A-Z ]*PRIVATE" + " KEY-----",
    "an OpenAI key": r"\bsk-(?:proj-)?[A-Za-z0-9_-]{32,}",
    "an Anthropic key": r"\bsk-" + r"ant-[A-Za-z0-9_-]{24,}",
    "an AWS key": r"\bAKIA" + r"[0-9A-Z]{16}\b",
    "a Google key": r"\bAIza" + r"[0-9A-Za-z_-]{35}",
    "a virtual key": r"\bbsr_" + r"[A-Za-z0-9]{6,}_[A-Za-z0-9]{40,}_[A-Za-z0-9]+",
    "a package index": r"(?:pypi" + r"\.org|files\.python" + r"hosted|--(?:extra-)?index" + r"-url|--find" + r"-links)",
    "a path of one machine": r"(?<![\w.$}/-])/(?:" + "wo" + r"rk|ro" + r"ot|home/[a-z]+)/[\w.]",
}
_PATTERNS = {what: re.compile(pattern) for what, pattern in _FORBIDDEN.items()}
_LARGEST_BYTES = 5_000_000


def complaints(path: Path) -> Iterator[str]:
    """Yield one sentence per finding."""
    if path.stat().st_size > _LARGEST_BYTES:
        yield f"{path}: larger than {_LARGEST_BYTES} bytes: is it meant to be here?"
        return
    text = path.read_bytes().decode("utf-8", errors="ignore")
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in _PATTERNS.items():
            if pattern.search(line):
                yield f"{path}:{number}: holds {what}."


def main() -> int:
    """Check every file and return the exit code."""
    files = tracked_files()
    found = [complaint for path in files for complaint in complaints(path)]
    print("\n".join(found) or f"Cleanliness: {len(files)} files hold nothing that must stay here.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
