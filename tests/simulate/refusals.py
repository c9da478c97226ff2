"""Was a refusal justified (I19), and did nobody sit on the money (I20)?"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator

from governance.metering.attempt import Claim
from tests.simulate.bank import Account, Bank
from tests.simulate.process import Process

REMEMBERED_SECONDS = 1.0
"""A refusal may be told again for half a second; the rest is for the way of the answer."""
IDLE_SECONDS = 1.0
LOOK_SECONDS = 0.25
TROUBLE_SECONDS = 12.0
"""So long after a fault its consequences may still be felt."""


class Refusals:
    """Judges refusals. `processes` are those that live."""

    def __init__(self, bank: Bank, report: Callable[[str], None], processes: list[Process]) -> None:
        self.troubled_at = -TROUBLE_SECONDS
        self.counts: dict[str, int] = defaultdict(int)
        self._bank = bank
        self._report = report
        self._processes = processes
        self._samples: deque[dict[tuple[int, int], int]] = deque(maxlen=int(IDLE_SECONDS / LOOK_SECONDS) + 1)
        self._left: dict[int, list[tuple[float, int]]] = defaultdict(list)

    def will_have_more(self, account: Account) -> None:
        """Remember what was left of an account whose limit changes, or an estimate on which turns out too high."""
        self._left[account.id].append((self._bank.clock(), account.limit - account.settled))

    def exceeded(self, claim: Claim, started: float) -> None:
        """A claim was refused for good: then some account really could not pay it, whatever came back."""
        self.counts["exceeded"] += 1
        if self._bank.is_catching_up:
            return
        since = self._bank.clock() - REMEMBERED_SECONDS - (self._processes[0].world.agenda.now - started)
        for account in self._accounts(claim, since):
            left = [account.limit - account.settled, *(left for at, left in self._left[account.id] if at >= since)]
            if min(left) < claim.least_nano:
                return
        self._report(f"I19 claim {claim.attempt_id} of {claim.least_nano} was refused though every account could pay")

    def held(self, claim: Claim, process: Process) -> None:
        """A claim was refused for money in flight: then no money lay idle that could have paid it."""
        self.counts["held"] += 1
        if self._is_troubled(process):
            return
        now = self._bank.clock()
        lacking = {
            account.id: claim.least_nano - account.limit + account.settled + account.held
            for account in self._accounts(claim, now)
            if account.limit - account.settled - account.held < claim.least_nano
        }
        # None lacks money: it came back just after the refusal.
        if lacking and all(self._idle(account_id, now) >= lack for account_id, lack in lacking.items()):
            self._report(f"I20 claim {claim.attempt_id} was refused while what it lacked lay idle: {lacking}")

    def unavailable(self, message: str, process: Process) -> None:
        """A claim was refused for want of a database: then something was wrong."""
        self.counts["unavailable"] += 1
        if "periods are changing" not in message and not self._is_troubled(process):
            self._report(f"I19 a claim was refused without any fault: {message}")

    def _is_troubled(self, process: Process) -> bool:
        now = process.world.agenda.now
        latest = max([self.troubled_at, *(each.troubled_at for each in self._processes)])
        return now - latest < TROUBLE_SECONDS

    def _accounts(self, claim: Claim, since: float) -> Iterator[Account]:
        ids = {budget.id for budget in claim.budgets if budget.is_hard}
        for account in self._bank.accounts.values():
            if account.budget.id in ids and account.ends_at > since:
                yield account

    def look(self) -> None:
        """Take a sample of what is available where, for `held`."""
        self._samples.append(
            {
                (process.number, lease.account_id): lease.available
                for process in self._processes
                if process.is_alive
                for lease in process.books._session.in_hand
            }
        )

    def _idle(self, account_id: int, now: float) -> int:
        """Return what nobody has used for a second, in processes that could give it back."""
        idle = 0
        for process in self._processes:
            if not process.is_alive or process.books._session.is_in_doubt:
                continue
            lease = process.books._session.in_hand.of_account(account_id)
            if lease is not None and lease.used_at < now - IDLE_SECONDS:
                key = (process.number, account_id)
                idle += min([lease.available, *(sample.get(key, 0) for sample in self._samples)])
        return idle
