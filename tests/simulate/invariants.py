"""What must hold (money.md, 6): after every transaction, after every step of a process, and at rest."""

from collections import Counter
from collections.abc import Callable, Iterable

from tests.simulate.bank import LIVING, Account, Bank
from tests.simulate.process import Process
from tests.simulate.vendor import Vendor

IN_FLIGHT_EVERY = 16
"""What is in flight is added up at every so many steps of a process; everything else at each."""


class Invariants:
    """Looks at books, processes and the vendor's book; tells `report` what is broken."""

    def __init__(self, bank: Bank, vendor: Vendor, report: Callable[[str], None]) -> None:
        self._bank = bank
        self._vendor = vendor
        self._report = report
        self.are_all_alive = True
        """Whether every process lives to say what it holds after a fail-over; what a dead one held is known later."""

    def after_transaction(self) -> None:
        """Look at the accounts that it touched."""
        for account_id in self._bank.touched:
            self._account(self._bank.accounts[account_id])
        self._bank.touched.clear()

    def covered(self, account_ids: Iterable[int]) -> None:
        """I4: what the vendor charged is settled or held, but while the books catch up after a fail-over."""
        if self._bank.is_catching_up or not (self._bank.timeline == 1 or self.are_all_alive):
            return
        for account_id in account_ids:
            account, owed = self._bank.accounts[account_id], self._vendor.owed[account_id]
            if owed > account.settled + account.held:
                self._report(
                    f"I4 the vendor charged {owed} on account {account_id},"
                    f" and settled + held is {account.settled} + {account.held}"
                )

    def process(self, process: Process) -> None:
        """I8 and I9: a process's leases are what the books know of them, whenever no answer is on its way."""
        session = process.books._session
        for lease in session.in_hand:
            if lease.in_flight < 0 or lease.unbooked < 0 or lease.available < 0:
                self._report(f"I8 a lease has {lease.available} + {lease.in_flight} + {lease.unbooked}")
        worker = self._bank.workers.get(session.epoch)
        if session.timeline is None or session.timeline.number != self._bank.timeline:
            return
        if process.line.asked or session.is_in_doubt or worker is None or worker.state not in LIVING:
            return
        for lease in session.in_hand:
            known = self._bank.accounts[lease.account_id].leases.get(session.epoch, (0,))[0]
            if lease.total != known:
                self._report(
                    f"I9 a process has {lease.available} + {lease.in_flight} + {lease.unbooked} of account"
                    f" {lease.account_id}, and the books know {known}"
                )
        process.steps += 1
        if process.steps % IN_FLIGHT_EVERY == 0:
            self._in_flight(process)

    def at_rest(self) -> None:
        """I2, I3, I5, I6, I18 once nothing is in flight and every dead process was recovered."""
        bank = self._bank
        settled: Counter[int] = Counter()
        for attempt_id, nano in bank.charges.items():
            charge = self._vendor.charges.get(attempt_id)
            if attempt_id in bank.estimates and charge is not None:
                settled.update(dict.fromkeys(charge.hold.account_ids, nano))
            elif nano != (charge.charged if charge else 0):
                self._report(f"I5 attempt {attempt_id} was booked at {nano}, and the vendor says {charge}")
            elif charge is not None:
                settled.update(dict.fromkeys(charge.hold.account_ids, nano))
            if charge is not None and nano > charge.hold.granted_nano and attempt_id not in bank.overruns:
                self._report(f"I11 attempt {attempt_id} passed its reservation without an overrun")
        for charge in self._vendor.charges.values():
            is_known = charge.hold.attempt_id in bank.charges or charge.hold.attempt_id in bank.suspense
            if charge.charged and not is_known and not charge.is_excused:
                self._report(f"I5 attempt {charge.hold.attempt_id} cost {charge.charged}, and the books know nothing")
        for account in bank.accounts.values():
            self._account(account)
            if account.settled != settled[account.id]:
                self._report(
                    f"I3 account {account.id} has settled {account.settled}, its records {settled[account.id]}"
                )
            kept = [
                epoch for epoch, lease in account.leases.items() if lease[0] and bank.workers[epoch].state != "lost"
            ]
            if kept:
                self._report(f"I18 at rest epochs {kept} keep leases on account {account.id}: {account.leases}")

    def _account(self, account: Account) -> None:
        leases, suspense = sum(int(lease[0]) for lease in account.leases.values()), sum(account.suspense.values())
        if account.held != leases + suspense:
            self._report(f"I2 account {account.id} holds {account.held}: leases {leases}, suspense {suspense}")
        if account.settled < 0 or account.held < 0 or any(lease[0] < 0 for lease in account.leases.values()):
            self._report(f"I8 account {account.id} is negative: {account}")
        self.covered((account.id,))

    def _in_flight(self, process: Process) -> None:
        """What is in flight on a lease is its reservations, and what is withheld for a journal that is full."""
        session = process.books._session
        if session._outgoing is None:
            return
        expected: Counter[int] = Counter()
        for reservation in session.open_reservations.values():
            expected.update(dict.fromkeys((lease.account_id for lease in reservation.path), reservation.amount))
        for untold in session._outgoing._untold:
            expected.update(dict.fromkeys((lease.account_id for lease in untold.path), untold.withheld))
        for lease in session.in_hand:
            stray = lease.in_flight - expected[lease.account_id]
            # A claim that was paid, and does not know it yet, has its reservation still to make.
            if stray < 0 or (stray and not process.reserving):
                self._report(
                    f"I9 account {lease.account_id} has {lease.in_flight} in flight, and its reservations are"
                    f" {expected[lease.account_id]}"
                )
