"""`bursar ledger`: prove that the books balance."""

import sys
from typing import Any

from django.core.management.base import CommandParser

from governance.chargeback.operations import Proof, prove_books
from governance.commands.printing import PrintingCommand

_EXIT_UNBALANCED = 1


class Command(PrintingCommand):
    """Prove the books."""

    help = (
        "Derive every balance anew from usage records, postings and attempts in flight, compare it with what is "
        "stored, and verify the audit trail. Exit code 0: everything balances. Exit code 1: the rows that do not."
    )
    example = "  bursar ledger prove\n  bursar ledger prove --json"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare `prove` and `--json`."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        prove = actions.add_parser("prove", help="prove that the books balance")
        prove.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_: Any, **options: Any) -> None:
        """Prove, print, and exit with 1 when something does not balance."""
        proof = prove_books()
        if options["json"]:
            self.print_json({"balanced": not proof.failure_count, **_as_dict(proof)})
        else:
            self._print(proof)
        if proof.failure_count:
            sys.exit(_EXIT_UNBALANCED)

    def _print(self, proof: Proof) -> None:
        counted = (
            f"usage records: {proof.records}, entries: {proof.entries}, budget accounts: {proof.accounts}, "
            f"audit events: {proof.audit_events}"
        )
        if not proof.failure_count:
            self.stdout.write(f"The books balance ({counted}).")
            return
        self.print_table(
            ("CHECK", "WHERE", "EXPECTED", "FOUND"),
            [(row.check, row.subject, row.expected, row.found) for row in proof.failures],
        )
        self.stdout.write(
            f"The books do not balance ({counted}). Rows that do not: {proof.failure_count}, "
            f"of which {len(proof.failures)} are shown."
        )


def _as_dict(proof: Proof) -> dict[str, object]:
    return {name: getattr(proof, name) for name in proof.__struct_fields__}
