"""Defects put into the arithmetic on purpose: a simulator that does not find them would prove nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from unittest import mock
from uuid import UUID

from governance.metering import leases, outgoing, recovery, refusals, slices
from governance.metering.journal import RESULT, Entry, Journal
from governance.metering.leases import Lease
from governance.metering.session import Session
from tests.simulate.bank import Bank

Mutation = Callable[[], Any]

_rows_of, _settle, _fence, _flush, _tell = recovery.rows_of, leases.settle, Bank.fence, Bank.flush, Journal.tell


def _settle_without_using_up(path: Sequence[Lease], *, reserved: int, charge: int, at: float) -> int:
    used = _settle(path, reserved=reserved, charge=charge, at=at)
    for lease in path:
        lease.available += used
    return used


def _estimate_and_free_the_rest(path: Sequence[Lease], *, reserved: int, charge: int, at: float) -> None:
    _settle(path, reserved=reserved, charge=charge, at=at)


def _rows_with_results(entries: Mapping[UUID, Entry]) -> str:
    return _rows_of({number: entry for number, entry in entries.items() if entry.result is not None})


def _free_the_silent(self: Bank, seconds: float) -> int:
    count = _fence(self, seconds)
    for worker in self.workers.values():
        if worker.state == "fenced":
            self._give_all_back(worker.epoch)
    return count


def _flush_anew(self: Bank, epoch: int, sequence: int, *rest: Any) -> Any:
    self.workers[epoch].last_sequence = sequence - 1
    return _flush(self, epoch, sequence, *rest)


def _tell_results_only(self: Journal, kind: bytes, attempt_id: UUID, text: bytes) -> None:
    if kind == RESULT:
        _tell(self, kind, attempt_id, text)


async def _doubt_nothing(self: Session) -> None:
    self.is_in_doubt = False


def _end_nothing(path: Sequence[Lease], reserved: int) -> None:
    """Leak what an attempt that cost nothing had reserved."""


MUTATIONS: Final[Mapping[str, Mutation]] = {
    "an estimate frees the rest of its hold": lambda: mock.patch.object(
        leases, "estimate", _estimate_and_free_the_rest
    ),
    "an unknown outcome frees its money": lambda: mock.patch.object(leases, "suspend", leases.release),
    "a settled attempt frees all it had reserved": lambda: mock.patch.object(
        leases, "settle", _settle_without_using_up
    ),
    "a released attempt keeps its money": lambda: mock.patch.object(leases, "release", _end_nothing),
    "a grant does not look at what remains": lambda: mock.patch.object(slices, "is_payable", lambda ask, account: True),
    "recovery takes an intent without result for nothing": lambda: mock.patch.object(
        recovery, "rows_of", _rows_with_results
    ),
    "silence frees money": lambda: mock.patch.object(Bank, "fence", _free_the_silent),
    "a flush sent twice is booked twice": lambda: mock.patch.object(Bank, "flush", _flush_anew),
    "attempts are sent without an intent in the journal": lambda: mock.patch.object(
        Journal, "intend", lambda self, attempt_id, intent: None
    ),
    "the journal is not told that a reservation shrank": lambda: mock.patch.object(Journal, "tell", _tell_results_only),
    "idle money is never given back": lambda: mock.patch.object(Lease, "surplus", lambda self, at: 0),
    "a lost answer leaves no doubt": lambda: mock.patch.object(Session, "resolve_doubt", _doubt_nothing),
    "a refusal is remembered for a minute": lambda: mock.patch.object(refusals, "MEMORY", timedelta(minutes=1)),
    "idle money is given back when it was idle long enough only": lambda: mock.patch.object(
        Lease, "surplus", lambda self, at: self.available if at - self.used_at >= leases.IDLE_SECONDS else 0
    ),
    "a late outcome counts as leased": lambda: mock.patch.object(
        outgoing, "_event", lambda reservation, text, used: outgoing._Event(reservation, (), text, 1, used)
    ),
}
