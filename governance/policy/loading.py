"""Teams, keys and budgets from CSV files: all of a file or nothing, with what is wrong said for each line.

A dry run makes every change with the operations that people's clicks are made with, and takes all of them back: what it
finds right is right. Teams and budgets that are there by name are changed to what the line says (of a budget only the
limit can change), so that the same file can be loaded again and a list of new limits is a bulk edit. Keys are always
new.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, time, timedelta
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from django.db import transaction

from governance.audit.operations import Actor
from governance.budgets import operations as budgets
from governance.budgets.models import Budget
from governance.budgets.operations import NewBudget
from governance.core.errors import BadRequest, BursarError
from governance.core.money import MoneyInvalid, parse_usd
from governance.core.windows import WindowKind
from governance.keys.operations import NewKey, issue
from governance.policy.errors import FileRefused
from governance.teams import queries as teams
from governance.teams.changes import TeamWish, change_team, open_team
from governance.teams.models import Organisation

MOST_BYTES: Final = 1024 * 1024
MOST_LINES: Final = 2000
_FORMULAS: Final = ("'=", "'+", "'-", "'@")
_REASON: Final = "loaded from a file"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What a file may hold: the columns it must have, and those it may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


KINDS: Final = MappingProxyType(
    {
        "teams": Kind(required=("name", "unit", "cost_centre"), optional=("required_tags",)),
        "keys": Kind(required=("name", "team"), optional=("person", "expires_on", "default_max_output_tokens")),
        "budgets": Kind(
            required=("name", "limit_usd"),
            optional=("window", "unit", "team", "person", "zone", "enforcement", "models", "sharing"),
        ),
    }
)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be loaded, and with what. `pepper` is for keys."""

    organisation: Organisation
    kind: str
    content: bytes
    pepper: bytes


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one line of the file is, or why it is refused. `secret` is the text of a key that was issued."""

    number: int
    name: str
    what: str = ""
    error: str = ""
    secret: str = ""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file. Nothing was changed unless `is_applied`."""

    lines: tuple[Line, ...]
    is_applied: bool

    @property
    def errors(self) -> list[Line]:
        """The lines that are refused."""
        return [line for line in self.lines if line.error]


Row = Mapping[str, str]
_Apply = Callable[["_Context", Row], tuple[str, str]]


class _Context(msgspec.Struct, frozen=True, kw_only=True):
    actor: Actor
    at: datetime
    load: Load


def load_csv(*, actor: Actor, at: datetime, load: Load, is_dry_run: bool) -> Loaded:
    """Check a file, and make its changes if all of them can be made and it is no dry run. Raises FileRefused."""
    rows = list(_rows(load))
    context = _Context(actor=actor, at=at, load=load)
    with transaction.atomic():
        lines = tuple(_line(context, number, row) for number, row in rows)
        is_applied = not is_dry_run and not any(line.error for line in lines)
        transaction.set_rollback(not is_applied)
    return Loaded(lines=lines if is_applied else tuple(map(_without_secret, lines)), is_applied=is_applied)


def _line(context: _Context, number: int, row: Row) -> Line:
    try:
        with transaction.atomic():
            what, secret = _APPLY[context.load.kind](context, row)
    except (BursarError, MoneyInvalid) as error:
        return Line(number=number, name=row["name"], error=str(error))
    return Line(number=number, name=row["name"], what=what, secret=secret)


def _without_secret(line: Line) -> Line:
    return msgspec.structs.replace(line, secret="")


def _team(context: _Context, row: Row) -> tuple[str, str]:
    wish = TeamWish(
        name=row["name"],
        unit=row["unit"],
        cost_centre=row["cost_centre"],
        required_tags=tuple(row["required_tags"].replace(",", " ").split()),
    )
    organisation = context.load.organisation
    present = organisation.teams.filter(name=row["name"]).first()
    if present is None:
        open_team(actor=context.actor, organisation_id=organisation.pk, wish=wish)
        return "a new team", ""
    if present.archived_at is not None:
        raise BadRequest(f"The team {present} is archived: name another.")
    change_team(actor=context.actor, team_id=present.pk, wish=wish, reason=_REASON)
    return "changed where it differs", ""


def _key(context: _Context, row: Row) -> tuple[str, str]:
    organisation = context.load.organisation
    new = NewKey(
        team_id=teams.team_named(organisation=organisation, name=row["team"]).pk,
        name=row["name"],
        user_id=_person_id(organisation, row["person"]),
        default_max_output_tokens=_count(row["default_max_output_tokens"]),
        expires_at=_end_of_day(row["expires_on"], organisation.zone),
    )
    issued = issue(actor=context.actor, at=context.at, pepper=context.load.pepper, new=new)
    return f"a new key of {row['team']}", issued.text


def _budget(context: _Context, row: Row) -> tuple[str, str]:
    organisation = context.load.organisation
    limit_nano = parse_usd(row["limit_usd"].removeprefix("$").replace(",", ""))
    present = Budget.objects.filter(organisation=organisation, name=row["name"], retired_at=None).first()
    if present is not None:
        _refuse_other_scope(present, row)
        budgets.change(actor=context.actor, budget_id=present.pk, limit_nano=limit_nano, reason=_REASON)
        return "its limit is changed where it differs", ""
    new = NewBudget(
        organisation_id=organisation.pk,
        name=row["name"],
        limit_nano=limit_nano,
        window=WindowKind(_one_of("window", row["window"] or "month", [kind.value for kind in WindowKind])),
        unit_id=teams.unit_named(organisation=organisation, name=row["unit"]).pk if row["unit"] else None,
        team_id=teams.team_named(organisation=organisation, name=row["team"]).pk if row["team"] else None,
        user_id=_person_id(organisation, row["person"]),
        zone=row["zone"] or organisation.zone,
        is_hard=_one_of("enforcement", row["enforcement"] or "hard", ["hard", "soft"]) == "hard",
        model_pattern=row["models"],
        is_per_member=_one_of("sharing", row["sharing"] or "pooled", ["pooled", "per_member"]) == "per_member",
    )
    budgets.create(actor=context.actor, new=new)
    return "a new budget", ""


def _refuse_other_scope(present: Budget, row: Row) -> None:
    """A line that names another scope or period than the budget has is no change of its limit, but a mistake."""
    stands = {
        "window": present.window,
        "unit": str(present.unit or ""),
        "team": str(present.team or ""),
        "person": str(present.user or ""),
        "zone": present.zone,
        "enforcement": present.enforcement,
        "models": present.model_pattern,
        "sharing": present.sharing,
    }
    for name, value in stands.items():
        if row[name] and row[name].casefold() != value.casefold():
            raise BadRequest(
                f"The budget {present} is there, and its {name} is {value or 'none'}, which never changes: retire it "
                "first, or choose another name."
            )


_APPLY: Final[Mapping[str, _Apply]] = MappingProxyType({"teams": _team, "keys": _key, "budgets": _budget})


def _rows(load: Load) -> Iterator[tuple[int, Row]]:
    """Yield the lines with all columns, those that are not there being empty."""
    kind = KINDS[load.kind]
    if len(load.content) > MOST_BYTES:
        raise FileRefused(f"The file is larger than {MOST_BYTES:,} bytes: load it in parts.")
    try:
        text = load.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused("The file is not UTF-8: save it as CSV in UTF-8.") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _refuse_header(header, kind)
        count = 0
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            count += 1
            if count > MOST_LINES:
                raise FileRefused(f"The file has more than {MOST_LINES:,} lines: load it in parts.")
            if len(cells) != len(header):
                raise FileRefused(f"Line {reader.line_num} has {len(cells)} cells, the first line {len(header)}.")
            named = dict(zip(header, map(_plain, cells), strict=True))
            yield reader.line_num, {name: named.get(name, "") for name in (*kind.required, *kind.optional)}
    except csv.Error as error:
        raise FileRefused(f"Line {reader.line_num} cannot be read as CSV ({error}).") from error
    if not count:
        raise FileRefused("The file has no lines below its first one.")


def _refuse_header(header: list[str], kind: Kind) -> None:
    missing = [name for name in kind.required if name not in header]
    unknown = [name for name in header if name not in (*kind.required, *kind.optional)]
    if missing or unknown or len(set(header)) != len(header):
        raise FileRefused(
            f"The first line names the columns: {', '.join(kind.required)} must be there, and "
            f"{', '.join(kind.optional)} may be. It has {', '.join(header) or 'none'}."
        )


def _plain(cell: str) -> str:
    """Return the cell without the apostrophe that keeps spreadsheets from running it."""
    text = cell.strip()
    return text[1:] if text.startswith(_FORMULAS) else text


def _one_of(name: str, text: str, choices: list[str]) -> str:
    if text not in choices:
        raise BadRequest(f"{text!r} is no {name}: write {', '.join(choices)}.")
    return text


def _count(text: str) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) < len(str(2**31))):
        raise BadRequest(f"{text!r} is no number of tokens: write a whole number, or nothing.")
    return int(text) if text else None


def _end_of_day(text: str, zone: str) -> datetime | None:
    if not text:
        return None
    try:
        day = datetime.fromisoformat(text).date()
    except ValueError as error:
        raise BadRequest(f"{text!r} is no day: write one such as 2026-12-31.") from error
    return datetime.combine(day + timedelta(days=1), time(0), tzinfo=ZoneInfo(zone))


def _person_id(organisation: Organisation, email: str) -> int | None:
    if not email:
        return None
    person = teams.people_of(organisation_id=organisation.pk).filter(email=email.lower()).first()
    if person is None:
        raise BadRequest(f"Nobody of {organisation} has the address {email}: let them in first.")
    return person.pk
