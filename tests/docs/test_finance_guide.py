"""The guide for finance names every check, column and command."""

from pathlib import Path

from governance.chargeback.document import HEADER
from governance.ledger import proof as ledger_proof
from governance.metering import proof as metering_proof

_GUIDE = (Path(__file__).resolve().parents[2] / "docs/finance.md").read_text()


def test_every_check_of_the_proof_is_explained() -> None:
    checks = [*ledger_proof.CHECKS, *metering_proof.CHECKS, "audit_trail_is_broken"]
    assert [check for check in checks if f"`{check}`" not in _GUIDE] == []


def test_every_column_of_a_statement_is_explained() -> None:
    assert [column for column in HEADER if f"`{column}`" not in _GUIDE] == []


def test_every_command_of_finance_is_shown() -> None:
    shown = [
        "report",
        "statements write",
        "statements list",
        "statements export",
        "ledger prove",
        "ledger rerate",
        "ledger compare",
        "alerts list",
    ]
    assert [words for words in shown if f"bursar {words}" not in _GUIDE] == []
