"""The guides say everything the gateway can answer and everything it counts."""

import re
from collections.abc import Iterator
from pathlib import Path

from governance.catalog.rating import NoPrice
from governance.core import errors as core_errors
from governance.core.errors import BursarError
from governance.gateway import errors as gateway_errors
from governance.gateway.limits import LEAST_OUTPUT_TOKENS, Limits
from governance.gateway.metrics import COUNTERS, GAUGES, HISTOGRAMS, OLDEST
from governance.gateway.routes import ROUTES

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "developers.md").read_text(encoding="utf-8")


def _errors() -> Iterator[type[BursarError]]:
    yield NoPrice
    for module in (core_errors, gateway_errors):
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, BursarError):
                yield item


def test_every_error_code_stands_in_it_with_its_status() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", GUIDE, re.MULTILINE))
    assert rows == {error.code: str(error.http_status) for error in _errors()}


def test_every_route_stands_in_it() -> None:
    assert all(f"`{route.method} {route.path}`" in GUIDE for route in ROUTES)


def test_every_header_of_ours_stands_in_it() -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "governance" / "gateway").glob("*.py"))
    headers = set(re.findall(r'b"(x-bursar-[a-z-]+)"', written)) - {"x-bursar-tags"}
    assert headers and all(f"`{header}`" in GUIDE for header in headers)
    assert "X-Bursar-Tags" in GUIDE


def test_its_limits_are_those_in_force() -> None:
    limits = Limits()
    assert f"at most {limits.body_bytes // 2**20} MiB" in GUIDE
    assert f"never below {LEAST_OUTPUT_TOKENS} tokens" in GUIDE
    assert f"at most {limits.tags} tags" in GUIDE and f"{limits.tag_characters} characters" in GUIDE
    assert (limits.body_seconds, limits.after_disconnect_seconds) == (60, 60)


def test_operators_find_every_metric() -> None:
    guide = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    names = {*(f"{name}_total" for name in COUNTERS), *GAUGES, *OLDEST, *HISTOGRAMS}
    assert names <= set(re.findall(r"^\| `(bursar_\w+)` \|", guide, re.MULTILINE))
