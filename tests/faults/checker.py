"""Holds the books against the vendor's invoice. Pure: rows in, complaints out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from tests.faults.invoice import InvoiceLine
from tests.faults.scene import Scene

RELEASED = "suspense_released"
FREE = (RELEASED, "vendor_error")
"""Such a record may say that nothing was charged, which an invoice does not list."""
RESOLVED = (RELEASED, "suspense_settled")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt in the ledger, all its revisions together. `budgets` are those of the accounts on its path."""

    attempt_id: UUID
    call: str
    outcome: str
    cost_nano: Decimal
    charge_nano: int
    budgets: frozenset[int]


class Suspended(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt in suspense, and what is held for it on every account of its path."""

    attempt_id: UUID
    call: str
    held_nano: int
    budgets: frozenset[int]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One account: a period of a budget."""

    account_id: int
    budget_id: int
    settled_nano: int
    held_nano: int


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Everything our side says, at one instant."""

    records: Sequence[Record]
    suspended: Sequence[Suspended]
    balances: Sequence[Balance]


class Findings(msgspec.Struct, kw_only=True):
    """Sentences: charges of the vendor that our books do not know, and whatever else is not right."""

    lost: list[str] = msgspec.field(default_factory=list)
    violations: list[str] = msgspec.field(default_factory=list)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt in suspense cost by the invoice; None when the vendor knows nothing of it."""

    attempt_id: UUID
    line: InvoiceLine | None


def check_at_rest(invoice: Iterable[InvoiceLine], books: Books, scene: Scene) -> Findings:
    """Nothing is under way: every line is in the ledger exactly, or in suspense with enough held; nothing else is."""
    findings = Findings()
    for call, (lines, records, suspended) in _by_call(invoice, books).items():
        _check_call(findings, call, lines, records, suspended)
        for attempt in (*records, *suspended):
            if attempt.budgets != scene.budgets_of(call.partition(".")[0]):
                findings.violations.append(f"Attempt {attempt.attempt_id} of {call} is paid by other budgets.")
    _check_balances(findings, books)
    return findings


def check_settled(invoice: Sequence[InvoiceLine], books: Books, scene: Scene) -> Findings:
    """Everything is resolved: on every budget our settled total is the vendor's, and nothing is held."""
    findings = check_at_rest(invoice, books, scene)
    findings.violations += [f"Attempt {item.attempt_id} of {item.call} is not booked." for item in books.suspended]
    charged = charged_per_budget(invoice, scene)
    for budget in scene.limits:
        settled = sum(balance.settled_nano for balance in books.balances if balance.budget_id == budget)
        held = sum(balance.held_nano for balance in books.balances if balance.budget_id == budget)
        if (settled, held) != (charged[budget], 0):
            findings.violations.append(
                f"Budget {budget} has {settled} settled and {held} held; the vendor charged {charged[budget]}."
            )
    return findings


def check_covered(charged: Mapping[int, int], covered: Mapping[int, int]) -> list[str]:
    """At any moment: settled + held of a budget is at least what the vendor had charged before it was read."""
    return [
        f"Budget {budget} covered {covered.get(budget, 0)} when the vendor had charged {amount}."
        for budget, amount in charged.items()
        if covered.get(budget, 0) < amount
    ]


def charged_per_budget(invoice: Iterable[InvoiceLine], scene: Scene) -> Counter[int]:
    """Return what the vendor charged on the path of every budget."""
    per_key: dict[str, int] = defaultdict(int)
    for line in invoice:
        per_key[line.key] += line.charge_nano
    charged: Counter[int] = Counter()
    for key, amount in per_key.items():
        for budget in scene.budgets_of(key):
            charged[budget] += amount
    return charged


def verdicts(invoice: Iterable[InvoiceLine], books: Books) -> list[Verdict]:
    """Return what the invoice says of every attempt in suspense."""
    found = []
    for lines, records, suspended in _by_call(invoice, books).values():
        open_lines, _ = _match(lines, records)
        for attempt in suspended:
            fitting = next((line for line in open_lines if line.charge_nano <= attempt.held_nano), None)
            if fitting is not None:
                open_lines.remove(fitting)
            found.append(Verdict(attempt_id=attempt.attempt_id, line=fitting))
    return found


_Call = tuple[list[InvoiceLine], list[Record], list[Suspended]]


def _by_call(invoice: Iterable[InvoiceLine], books: Books) -> dict[str, _Call]:
    calls: dict[str, _Call] = defaultdict(lambda: ([], [], []))
    # Of an estimate one part is settled and the other held: together they cover what nobody has decided yet.
    undecided = {attempt.attempt_id: attempt for attempt in books.suspended}
    estimated: Counter[UUID] = Counter()
    for line in invoice:
        calls[line.call][0].append(line)
    for record in books.records:
        if record.attempt_id in undecided:
            estimated[record.attempt_id] += record.charge_nano
        else:
            calls[record.call][1].append(record)
    for attempt_id, attempt in undecided.items():
        whole = msgspec.structs.replace(attempt, held_nano=attempt.held_nano + estimated[attempt_id])
        calls[attempt.call][2].append(whole)
    return calls


def _match(lines: Sequence[InvoiceLine], records: Sequence[Record]) -> tuple[list[InvoiceLine], list[Record]]:
    """Return the lines, the largest first, that no record stands for, and the records that stand for no line."""
    lines_left = sorted(lines, key=lambda line: line.charge_nano, reverse=True)
    records_left = []
    for record in records:
        match = next((line for line in lines_left if _is_same(line, record)), None)
        if match is None:
            records_left.append(record)
        else:
            lines_left.remove(match)
    return lines_left, records_left


def _is_same(line: InvoiceLine, record: Record) -> bool:
    """A person settles with whole nano-USD; whatever was rated from the vendor's report is exact."""
    if record.outcome in RESOLVED:
        return record.charge_nano == line.charge_nano
    return (record.cost_nano, record.charge_nano) == (line.cost_nano, line.charge_nano)


def _check_call(
    findings: Findings, call: str, lines: list[InvoiceLine], records: list[Record], suspended: list[Suspended]
) -> None:
    lines_left, records_left = _match(lines, records)
    for record in records_left:
        if record.outcome not in FREE or record.charge_nano:
            findings.violations.append(
                f"Call {call} has a record of {record.cost_nano} ({record.outcome}), which the vendor did not charge."
            )
    holds = sorted((attempt.held_nano for attempt in suspended), reverse=True)
    for number, line in enumerate(lines_left):
        if number >= len(holds):
            findings.lost.append(f"Call {call} was charged {line.cost_nano}, of which no record or hold is left.")
        elif holds[number] < line.charge_nano:
            findings.violations.append(f"Call {call} holds {holds[number]} and was charged {line.charge_nano}.")


def _check_balances(findings: Findings, books: Books) -> None:
    """Each budget's accounts hold what the attempts say, and no more."""
    settled: dict[int, int] = defaultdict(int)
    held: dict[int, int] = defaultdict(int)
    for record in books.records:
        for budget in record.budgets:
            settled[budget] += record.charge_nano
    for attempt in books.suspended:
        for budget in attempt.budgets:
            held[budget] += attempt.held_nano
    for balance in books.balances:
        settled[balance.budget_id] -= balance.settled_nano
        held[balance.budget_id] -= balance.held_nano
        if min(balance.settled_nano, balance.held_nano) < 0:
            findings.violations.append(f"Account {balance.account_id} is negative.")
    for name, differences in (("settled", settled), ("held", held)):
        findings.violations += [
            f"Budget {budget} has {-difference} nano-USD too much {name} for the attempts that are booked."
            for budget, difference in differences.items()
            if difference
        ]
