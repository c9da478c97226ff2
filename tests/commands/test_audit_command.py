"""`bursar audit`: the trail on the command line."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from governance.audit.models import AuditEvent
from tests.support.broken_books import damage
from tests.support.company import found

pytestmark = pytest.mark.django_db


def run(*words: str) -> Any:
    printed = io.StringIO()
    call_command("audit", *words, "--json", stdout=printed)
    return json.loads(printed.getvalue())


def test_the_trail_is_listed_verified_and_written_to_a_file(tmp_path: Path) -> None:
    found()
    listed = run("list", "--action", "team", "--limit", "10")
    assert [(row["action"], row["after"]["name"]) for row in listed] == [("team.created", "search")]
    proof = run("verify")
    assert proof["events"] == AuditEvent.objects.count()
    assert run("verify", "--expect", proof["head"]) == proof

    target = tmp_path / "trail.csv"
    run("export", "--to", str(target))
    with target.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == proof["events"]
    with pytest.raises(CommandError, match="is there already"):
        run("export", "--to", str(target))


def test_what_was_cut_off_or_changed_is_found() -> None:
    found()
    head = run("verify")["head"]
    damage("DELETE FROM audit_auditevent WHERE id = %s", AuditEvent.objects.latest("id").pk)
    with pytest.raises(CommandError, match="the end of the trail was cut"):
        run("verify", "--expect", head)
    damage("UPDATE audit_auditevent SET reason = 'x' WHERE id = %s", AuditEvent.objects.earliest("id").pk)
    with pytest.raises(CommandError, match="does not verify from event"):
        run("verify")
