"""A month is closed as finance does it: in the console, by the API and by commands, and its files add up."""

import csv
import hashlib
import io
import json
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from governance.audit.operations import Actor
from governance.chargeback.closing import final_statements, write_closing
from governance.chargeback.models import MonthClose
from governance.chargeback.operations import keep_proof, prove_books
from governance.teams.models import OrganisationRole, User
from governance.tokens.operations import NewToken, issue
from tests.support.finance_world import Call, FinanceWorld, make_world

pytestmark = pytest.mark.django_db(transaction=True)

OCTOBER = datetime(2025, 10, 10, 12, tzinfo=UTC)
"""Long over by anybody's clock."""
LINES = {"input": (1000, "1250.25"), "output": (10, "100.5")}


@pytest.fixture
def world() -> FinanceWorld:
    """Two cost centres with calls of one month, one of whose names a spreadsheet would run."""
    made = make_world()
    model = made.model("gpt-5")
    for code, team in (("CC-1", "=cmd|' /C calc'!A0"), ("CC-2", "Search")):
        made.book(Call(made.key(made.team(team, made.cost_centre(code))), model, LINES, at=OCTOBER))
    keep_proof(proof=prove_books(), at=datetime.now(UTC))
    return made


def person(world: FinanceWorld, name: str, role: str) -> Client:
    """Return somebody's window into the console."""
    user = User.objects.create(username=name, email=f"{name}@acme.example")
    OrganisationRole.objects.create(user=user, organisation=world.organisation, role=role)
    client = Client()
    client.force_login(user)
    return client


def total_of(archive: zipfile.ZipFile, names: list[str]) -> Decimal:
    """Add the last columns of these files up, as finance would."""
    total = Decimal(0)
    for name in names:
        rows = csv.DictReader(io.StringIO(archive.read(name).decode(), newline=""))
        total += sum((Decimal(row["Cost (USD)"]) for row in rows), Decimal(0))
    return total


def test_finance_closes_a_month_in_the_console_and_the_files_add_up(world: FinanceWorld) -> None:
    ada, grace = person(world, "ada", "finance"), person(world, "grace", "admin")
    grace.post("/settings/", {"name": world.organisation.name, "drift_percent": "1", "needs_second_person": "on"})
    assert "open, over" in ada.get("/months/").content.decode()
    assert "Nothing: every call is booked" in ada.get("/months/2025-10/").content.decode()

    ada.post("/months/2025-10/begin/", {"reason": ""})
    assert "are being written" in ada.get("/months/2025-10/").content.decode()
    write_closing(at=datetime.now(UTC))
    ada.post("/months/2025-10/review/")
    assert "closed by a second person" in ada.post("/months/2025-10/close/", {"reason": ""}).content.decode()
    closed = grace.post("/months/2025-10/close/", {"reason": ""}, follow=True).content.decode()
    assert "October 2025 is closed" in closed

    content = ada.get("/months/2025-10/download/").content
    assert content == grace.get("/months/2025-10/download/").content
    archive = zipfile.ZipFile(io.BytesIO(content))
    manifest = json.loads(archive.read("manifest.json"))
    names = [file["name"] for file in manifest["files"]]
    assert archive.namelist() == ["manifest.json", *names]
    assert [hashlib.sha256(archive.read(name)).hexdigest() for name in names] == [
        file["sha256"] for file in manifest["files"]
    ]
    assert total_of(archive, names) == Decimal(manifest["total"]) == Decimal("0.000002702")
    assert "'=cmd" in archive.read(names[0]).decode()
    for statement in final_statements(organisation=world.organisation, month=date(2025, 10, 1)):
        answer = ada.get(f"/statements/{statement.pk}/spreadsheet/")
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{statement.spreadsheet_name}"'
        page = openpyxl.load_workbook(io.BytesIO(answer.content), data_only=True)["Statement"]
        assert page.cell(page.max_row, 13).value == 0.000001351
    assert hashlib.sha256(archive.read("manifest.json")).hexdigest() == MonthClose.objects.get().manifest_sha256


def test_a_program_closes_a_month(world: FinanceWorld) -> None:
    user = User.objects.create(username="bot", email="bot@acme.example")
    OrganisationRole.objects.create(user=user, organisation=world.organisation, role="finance")
    new = NewToken(organisation_id=world.organisation.pk, name="close", scopes=["statements:write"], user_id=user.pk)
    issued = issue(actor=Actor(name="test"), at=datetime.now(UTC), pepper=settings.ENVIRONMENT.key_pepper, new=new)

    def call(method: str, address: str, body: object = None) -> tuple[int, bytes]:
        client = Client(headers={"Authorization": f"Bearer {issued.text}"})
        answer = client.generic(method, f"/api/v1/{address}", json.dumps(body or {}), content_type="application/json")
        return answer.status_code, answer.content

    assert call("GET", "months/2025-10/findings") == (200, b"[]")
    assert call("POST", "months/2025-10/begin")[0] == 200
    assert call("POST", "months/2025-10/review")[0] == 409
    write_closing(at=datetime.now(UTC))
    assert call("POST", "months/2025-10/review", {"reason": "as invoiced"})[0] == 200
    status, content = call("POST", "months/2025-10/close")
    assert (status, json.loads(content)["state"], json.loads(content)["total_usd"]) == (200, "closed", "0.000002702")
    status, content = call("GET", "months/2025-10/files")
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    assert json.loads(call("GET", "months")[1])["data"][0]["month"] == "2025-10-01"


def test_commands_close_a_month_and_take_its_files_out(
    world: FinanceWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = ("--organisation", world.organisation.name, "--month", "2025-10", "--json")
    call_command("months", "begin", *of)
    with pytest.raises(CommandError, match="final once it is closed"):
        call_command("months", "export", *of, "--output", str(tmp_path / "a.zip"))
    call_command("months", "reopen", *of, "--reason", "once more")
    for step in ("check", "begin", "review", "close"):
        call_command("months", step, *of)
    for name in ("a.zip", "b.zip"):
        call_command("months", "export", *of, "--output", str(tmp_path / name))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    sheet = ("statements", "export", *of[:-1], "--cost-centre", "CC-1", "--spreadsheet")
    with pytest.raises(CommandError, match="--output"):
        call_command(*sheet)
    call_command(*sheet, "--output", str(tmp_path / "a.xlsx"))
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").sheetnames == ["Statement", "About"]
    capsys.readouterr()
    call_command("months", "list", "--organisation", world.organisation.name, "--json")
    [line] = json.loads(capsys.readouterr().out)
    assert (line["month"], line["state"], line["total_usd"]) == ("2025-10", "closed", "0.000002702")
    assert MonthClose.objects.get().month == date(2025, 10, 1)
