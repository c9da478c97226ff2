"""`make scale`: fill an installation of its own with SCALE_ROWS usage records (10 million), and time the pages.

Each page is asked by HTTP, logged in as the administrator, once to warm up and then SCALE_TIMES (5) times; the median
and the slowest are printed, and, where SCALE_OUT names a file, kept there as JSON. Nothing is asserted: the figures are
for people.
"""

import json
import os
import re
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg

from governance.core.environment import read_environment
from tests.installation import Installation
from tests.scale.filling import KEYS, TEAMS, Filled, fill_objects, fill_records

_ROWS = int(os.environ.get("SCALE_ROWS", "10000000"))
_TIMES = int(os.environ.get("SCALE_TIMES", "5"))
_OUT = os.environ.get("SCALE_OUT", "")
_SUMMED_SECONDS = 300


def main() -> None:
    """Fill, wait for the sums, measure, tell."""
    # What is measured is the reading of much, not the safety of writing it.
    with Installation(BURSAR_GATEWAY_WORKERS="1") as installation:
        facts = installation.start()
        url = read_environment({"BURSAR_HOME": str(installation.home)}).database_url("owner")
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("SET synchronous_commit = off")
            filled = fill_objects(session)
            began_at = time.monotonic()
            for written in fill_records(session, rows=_ROWS, now=datetime.now(UTC)):
                print(f"{written:,} records after {time.monotonic() - began_at:.0f} s", flush=True)
            before = _measure(facts, filled, pages=("/",))
            summed = _wait_for_sums(session)
        figures = _measure(facts, filled, pages=_pages(filled))
    print(f"{_ROWS:,} usage records of a month, {KEYS:,} keys, {TEAMS} teams with budgets; milliseconds by HTTP")
    print(f"overview before the sums by day: {before['/']['median']}; summed after {summed:.0f} s")
    for page, figure in figures.items():
        print(f"{figure['median']:>8} {figure['slowest']:>8}  {page}")
    if _OUT:
        Path(_OUT).write_text(json.dumps({"rows": _ROWS, "unsummed": before, "pages": figures}, indent=2))


def _pages(filled: Filled) -> tuple[str, ...]:
    return (
        "/", "/teams/", f"/teams/{filled.team_id}/", "/keys/", "/keys/?q=key-19", f"/keys/{filled.key_id}/",
        "/budgets/", "/limits/", "/requests/", f"/requests/?team={filled.team_id}", f"/requests/?key={filled.key_id}",
        "/requests/?outcome=failed", "/requests/?since=2020-01-01&until=2020-01-02", "{older}", "{id}", "/alerts/",
        "/audit/", "/models/", "/routes/", "/allow-lists/", "/reports/", "/statements/",
    )  # fmt: skip


def _measure(facts: dict[str, str], filled: Filled, *, pages: tuple[str, ...]) -> dict[str, dict[str, int]]:
    with httpx.Client(base_url=facts["console_url"], follow_redirects=True, timeout=120) as client:
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', client.get("/account/login/").text)
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "login": facts["admin_user"], "password": facts["admin_password"]}
        client.post("/account/login/", data=form, headers={"referer": facts["console_url"]})
        text = client.get("/requests/").text
        older = re.search(r'rel="next" href="([^"]+)"', text)
        one = re.search(r"/requests/([0-9a-f-]{36})/", text)
        names = {
            "{older}": f"/requests/{older[1].replace('&amp;', '&')}" if older else "/requests/",
            "{id}": f"/requests/?q={one[1]}" if one else "/requests/",
        }
        return {page: _time(client, names.get(page, page)) for page in pages}


def _time(client: httpx.Client, path: str) -> dict[str, int]:
    client.get(path).raise_for_status()
    took = []
    for _ in range(_TIMES):
        began_at = time.monotonic()
        client.get(path).raise_for_status()
        took.append(round((time.monotonic() - began_at) * 1000))
    return {"median": round(statistics.median(took)), "slowest": max(took)}


def _wait_for_sums(session: psycopg.Connection) -> float:
    began_at = time.monotonic()
    while time.monotonic() - began_at < _SUMMED_SECONDS:
        row = session.execute("SELECT coalesce(sum(requests), 0) FROM ledger_daysum").fetchone()
        if row is not None and row[0] >= _ROWS:
            session.execute("ANALYZE ledger_daysum")
            break
        time.sleep(1)
    return time.monotonic() - began_at


if __name__ == "__main__":
    main()
