"""`bursar load`: files of teams, keys and budgets on the command line."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from governance.keys.models import VirtualKey
from governance.teams.models import Team
from tests.support.company import found

pytestmark = pytest.mark.django_db


def load(kind: str, file: Path, *words: str) -> Any:
    printed = io.StringIO()
    call_command("load", kind, str(file), *words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def test_a_file_is_checked_then_applied_and_keys_are_printed_once(tmp_path: Path) -> None:
    found()
    teams, keys = tmp_path / "teams.csv", tmp_path / "keys.csv"
    teams.write_text("name,unit,cost_centre\nsales,Research,9001\n")
    keys.write_text("name,team\nrobot,sales\n")
    assert load("teams", teams) == [{"line": 2, "name": "sales", "what": "a new team"}]
    assert not Team.objects.filter(name="sales").exists()
    with pytest.raises(CommandError, match="Line 2, 'robot': Acme has no team"):
        load("keys", keys, "--apply")
    load("teams", teams, "--apply")
    (line,) = load("keys", keys, "--apply")
    assert line["key"].startswith("bsr_") and VirtualKey.objects.get(name="robot").team.name == "sales"
