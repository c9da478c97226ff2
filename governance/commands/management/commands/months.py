"""`bursar months`: look at a month, begin to close it, review it, close it, and take its files out."""

import sys
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from governance.chargeback import closing
from governance.chargeback.archive import month_archive
from governance.chargeback.findings import look
from governance.chargeback.models import MonthClose
from governance.chargeback.queries import close_of, closes_of
from governance.commands.base import Answer, VerbCommand, actor, chosen_organisation
from governance.core.clock import utc_now
from governance.core.money import usd_text
from governance.core.months import parse_month


class Command(VerbCommand):
    """Closing months."""

    help = (
        "Close a month: begin (nothing is booked in it any more, its statements are written), review, close. Until it "
        "is closed it can be opened again; what comes late is booked in the next open month."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare list, check, begin, review, close, reopen, export and rules."""
        super().add_arguments(parser)
        self.add_verb(
            "list", _list, words="List the months that are being closed, or closed.", example="bursar months list"
        )
        for name, verb, words, more in (
            ("check", _check, "Say what stands against closing a month.", ""),
            (
                "begin",
                _begin,
                "Book nothing in it any more, and write its statements.",
                " --reason 'settled by invoice'",
            ),
            ("review", _review, "Say that you looked at its statements and found them right.", ""),
            ("close", _close, "Close it for good.", ""),
            ("reopen", _reopen, "Book in it again; only until it is closed.", " --reason 'a price was wrong'"),
            ("export", _export, "Put its statements and manifest into one ZIP file.", " --output november.zip"),
        ):
            verb_parser = self.add_verb(name, verb, words=words, example=f"bursar months {name} --month 2026-11{more}")
            verb_parser.add_argument("--month", required=True, metavar="YYYY-MM")
            if name in ("begin", "review", "reopen"):
                verb_parser.add_argument(
                    "--reason", default="", required=name == "reopen", help="kept in the audit trail"
                )
            if name == "export":
                verb_parser.add_argument("--output", metavar="FILE", type=Path, required=True)
        rules = self.add_verb(
            "rules", _rules, words="Say whether a second person closes months.",
            example="bursar months rules --second-person yes",
        )  # fmt: skip
        rules.add_argument("--second-person", choices=("yes", "no"), required=True)


def _month(options: dict[str, Any]) -> date:
    return parse_month(options["month"])


def _list(options: dict[str, Any]) -> Answer:
    return [_facts(close) for close in closes_of(organisation=chosen_organisation(options))]


def _check(options: dict[str, Any]) -> Answer:
    found = look(organisation=chosen_organisation(options), month=_month(options), at=utc_now())
    return [
        {
            "found": finding.code,
            "count": finding.count,
            "usd": usd_text(finding.nano),
            "blocking": finding.is_blocking,
            "what to do": finding.sentence,
        }
        for finding in found
    ]


def _begin(options: dict[str, Any]) -> Answer:
    organisation, month, now = chosen_organisation(options), _month(options), utc_now()
    closing.begin_close(actor=actor(), organisation=organisation, month=month, at=now, reason=options["reason"])
    closing.write_closing(at=now)
    return _facts(close_of(organisation=organisation, month=month))


def _review(options: dict[str, Any]) -> Answer:
    organisation, month = chosen_organisation(options), _month(options)
    comment = options["reason"]
    return _facts(closing.review(actor=actor(), organisation=organisation, month=month, at=utc_now(), comment=comment))


def _close(options: dict[str, Any]) -> Answer:
    organisation, month = chosen_organisation(options), _month(options)
    return _facts(closing.close(actor=actor(), organisation=organisation, month=month, at=utc_now()))


def _reopen(options: dict[str, Any]) -> Answer:
    organisation, month = chosen_organisation(options), _month(options)
    closing.reopen(actor=actor(), organisation=organisation, month=month, reason=options["reason"])
    return {"month": f"{month:%Y-%m}", "state": "open"}


def _export(options: dict[str, Any]) -> Answer:
    close = close_of(organisation=chosen_organisation(options), month=_month(options))
    archive = month_archive(close=close)
    try:
        options["output"].write_bytes(archive.content)
    except OSError as error:
        raise CommandError(f"{options['output']} cannot be written ({error.strerror}): name another file.") from error
    sys.stderr.write(f"{options['output']}: {len(archive.content)} bytes, SHA-256 {archive.sha256}\n")
    return {"month": f"{close.month:%Y-%m}", "file": str(options["output"]), "sha256": archive.sha256}


def _rules(options: dict[str, Any]) -> Answer:
    organisation, is_wanted = chosen_organisation(options), options["second_person"] == "yes"
    closing.set_close_rules(actor=actor(), organisation=organisation, second_person=is_wanted)
    return {"second_person": is_wanted}


def _facts(close: MonthClose) -> dict[str, Any]:
    return {
        "month": f"{close.month:%Y-%m}",
        "state": close.state,
        "written": close.written_at is not None,
        "reviewed by": close.reviewed_by,
        "closed by": close.closed_by,
        "total_usd": usd_text(close.total_nano) if close.total_nano is not None else "",
        "manifest_sha256": close.manifest_sha256,
        "trouble": close.trouble,
    }
