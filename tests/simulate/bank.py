"""The database's side of metering, as a model: what governance/metering/sql does, in plain Python.

Every public method is one transaction. The sizes of grants are `governance.metering.slices`, which a test holds against
the SQL. What the model finds broken it tells to `report`, with the number of the invariant (money.md, 6).
"""

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from governance.budgets.hot import BudgetPolicy
from governance.metering import slices
from governance.metering.bank import EpochOfLock, GrantLine, Reasserted, Timeline
from governance.metering.slices import Ask, Standing

PAUSE_SECONDS = 10.0
"""After a fail-over nothing is granted for so long."""
POISON = "unbookable"
"""An outcome with this reason is one that the database refuses to book."""


@dataclass
class Account:
    """One budget in one period, and what is known of it. Amounts in nano-USD."""

    id: int
    budget: BudgetPolicy
    starts_at: float
    ends_at: float
    limit: int
    settled: int = 0
    held: int = 0
    leases: dict[int, list[float]] = field(default_factory=dict)
    """{epoch: [amount, used_at]}"""
    suspense: dict[UUID, int] = field(default_factory=dict)

    def standing(self, users: int) -> Standing:
        return Standing(self.limit, self.settled, self.held, self.budget.is_hard, users)


@dataclass
class Worker:
    """One epoch."""

    epoch: int
    host: str
    lock_name: str
    last_seen_at: float
    state: str = "alive"
    last_sequence: int = 0


class Bank:
    """The books. `clock` is the database's clock in seconds since 1970."""

    def __init__(self, clock: Callable[[], float], report: Callable[[str], None]) -> None:
        self.clock = clock
        self.report = report
        self.limits: dict[int, int] = {}
        self.budgets: dict[int, BudgetPolicy] = {}
        self.accounts: dict[int, Account] = {}
        self.workers: dict[int, Worker] = {}
        self.charges: dict[UUID, int] = {}
        self.suspense: dict[UUID, dict[str, Any]] = {}
        self.estimates: set[UUID] = set()
        """Attempts of which a part is booked and the rest is in suspense."""
        self.overruns: set[UUID] = set()
        self.touched: set[int] = set()
        self.notify: Callable[[str], None] = lambda payload: None
        self._unkept: set[int] = set()
        """Epochs of whose results one could not be kept: all are held whole, also what their process had lent again."""
        self.on_booked: Callable[[UUID], None] = lambda attempt_id: None
        self.on_more_left: Callable[[Account], None] = lambda account: None
        self._by_period: dict[tuple[int, float], Account] = {}
        self.timeline = 1
        self.known_timeline = 1
        self.next_id = 0
        self.grants_from = 0.0

    def now(self) -> datetime:
        """Return the database's clock as a time."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def balances(self) -> object:
        """Return what a transaction without effect leaves as it is."""
        accounts = [
            (account.settled, account.held, {epoch: lease[0] for epoch, lease in account.leases.items()})
            for account in self.accounts.values()
        ]
        return accounts, len(self.charges), list(self.suspense)

    def standby(self) -> dict[str, Any]:
        """Return a copy of everything, as a standby has it at this moment."""
        budgets = {id(budget): budget for budget in self.budgets.values()}
        return copy.deepcopy({name: getattr(self, name) for name in _COPIED}, budgets)

    def fail_over(self, standby: dict[str, Any]) -> None:
        """Go on with what a standby had; whatever was committed since is lost."""
        for name, value in standby.items():
            setattr(self, name, value)
        self.timeline += 1
        self.touched.clear()

    @property
    def is_catching_up(self) -> bool:
        """Whether processes are still saying what they hold, after a fail-over."""
        return self.timeline != self.known_timeline or self.clock() < self.grants_from

    def take_timeline(self) -> Timeline:
        if self.timeline != self.known_timeline:
            for worker in self.workers.values():
                worker.state = "fenced" if worker.state == "alive" else worker.state
            self.next_id += 10_000 * self.timeline
            self.known_timeline, self.grants_from = self.timeline, self.clock() + PAUSE_SECONDS
        return Timeline(self.timeline, UUID(int=self.timeline), max(0.0, self.grants_from - self.clock()))

    def epochs_of(self, lock_name: str) -> list[EpochOfLock]:
        mine = [worker for worker in self.workers.values() if worker.lock_name == lock_name]
        return [EpochOfLock(w.epoch, w.state, w.last_sequence) for w in reversed(mine)]

    def reassert(self, host: str, lock_name: str, _process_id: int, leases: str, outcomes: str) -> Reasserted:
        self.take_timeline()
        for former in [each.epoch for each in self.epochs_of(lock_name) if each.state in LIVING]:
            self._give_all_back(former)
            self.workers[former].state = "dead"
        epoch = self.register(host, lock_name, 0)
        said = json.loads(leases)
        for lease in said:
            if lease["account_id"] not in self.accounts and lease["budget_id"] is not None:
                self._reopen(lease)
        for row in json.loads(outcomes):
            self._book_late(epoch, row)
        strays = []
        for lease in said:
            account = self.accounts.get(lease["account_id"])
            if account is None:
                strays.append(lease["account_id"])
            elif lease["amount_nano"]:
                account.leases[epoch] = [lease["amount_nano"], self.clock()]
                account.held += lease["amount_nano"]
                self.touched.add(account.id)
        return Reasserted(epoch, strays)

    def _reopen(self, lease: dict[str, Any]) -> None:
        starts_at, ends_at = (datetime.fromisoformat(lease[name]).timestamp() for name in ("starts_at", "ends_at"))
        key = (lease["budget_id"], starts_at)
        if key not in self._by_period:
            number, budget = lease["account_id"], self.budgets[lease["budget_id"]]
            account = Account(number, budget, starts_at, ends_at, limit=self.limits[budget.id])
            self._by_period[key] = self.accounts[number] = account

    def register(self, host: str, lock_name: str, _process_id: int) -> int:
        self.take_timeline()
        if any(each.lock_name == lock_name and each.state != "dead" for each in self.workers.values()):
            raise psycopg.errors.UniqueViolation("a_lock_has_one_living_epoch")
        epoch = self._id()
        self.workers[epoch] = Worker(epoch, host, lock_name, self.clock())
        return epoch

    def workers_of(self, host: str) -> list[tuple[int, str]]:
        return [(w.epoch, w.lock_name) for w in self.workers.values() if w.host == host and w.state in LIVING]

    def open_account(
        self, budget_id: int, starts_at: datetime, ends_at: datetime, user_id: None, key_id: None
    ) -> int | None:
        """Budgets here are pooled: no member is named."""
        assert user_id is None and key_id is None
        if not starts_at <= self.now() < ends_at:
            return None
        key = (budget_id, starts_at.timestamp())
        account = self._by_period.get(key)
        if account is None:
            number = self._id()
            account = Account(
                number, self.budgets[budget_id], key[1], ends_at.timestamp(), limit=self.limits[budget_id]
            )
            self._by_period[key] = self.accounts[number] = account
        return account.id

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id

    def change_limit(self, account: Account, limit: int) -> None:
        if limit < account.limit and account.held:
            self.notify(f"{account.id} over")
        account.limit = self.limits[account.budget.id] = limit
        self.touched.add(account.id)

    def grant(self, epoch: int, claims: Sequence[int], *columns: Sequence[int]) -> list[GrantLine]:
        stops = self.take_timeline().pause_seconds > 0
        worker = self.workers.get(epoch)
        outcome = "fenced" if worker is None or worker.state != "alive" else "paused" if stops else None
        if outcome is not None:
            return [GrantLine(None, None, outcome, None, None, None, None, None, None, self.now())]  # type: ignore[arg-type]
        lines: list[GrantLine] = []
        asks = list(zip(claims, (Ask(*row) for row in zip(*columns, strict=True)), strict=True))
        for claim in sorted(set(claims)):
            mine = [(ask, self.accounts[ask.account_id]) for number, ask in asks if number == claim]
            mine.sort(key=lambda pair: (pair[1].limit - pair[1].settled - pair[1].held - pair[0].need, pair[1].id))
            refused = self._refused(mine)
            if refused is None:
                lines += [self._granted(epoch, claim, ask, account) for ask, account in mine]
                continue
            outcome, account = refused
            lines.append(self._line(claim, account, outcome, 0, is_exact=False))
            if outcome == "held" and any(lease[0] > 0 for other, lease in account.leases.items() if other != epoch):
                self.notify(str(account.id))
        return lines

    def _refused(self, asks: Iterable[tuple[Ask, Account]]) -> tuple[str, Account] | None:
        worst: tuple[str, Account] | None = None
        for ask, account in asks:
            standing = account.standing(1)
            if not account.starts_at <= self.clock() < account.ends_at:
                return ("stale", account)
            if not slices.is_payable(ask, standing):
                if slices.is_spent(ask, standing) and (worst is None or worst[0] != "exceeded"):
                    worst = ("exceeded", account)
                elif worst is None:
                    worst = ("held", account)
        return worst

    def _granted(self, epoch: int, claim: int, ask: Ask, account: Account) -> GrantLine:
        recent = self.clock() - 10
        others = sum(1 for other, lease in account.leases.items() if other != epoch and lease[1] > recent)
        granted, is_exact = slices.grant(ask, account.standing(1 + others))
        line = self._line(claim, account, "granted", granted, is_exact=is_exact)
        account.held += granted
        lease = account.leases.setdefault(epoch, [0, 0.0])
        lease[0] += granted
        lease[1] = self.clock()
        self.touched.add(account.id)
        if account.budget.is_hard and granted and account.settled + account.held > account.limit:
            self.report(f"I1 a grant of {granted} on account {account.id} passes its limit {account.limit}")
        return line

    def _line(self, claim: int, account: Account, outcome: str, granted: int, *, is_exact: bool) -> GrantLine:
        return GrantLine(
            claim,
            account.id,
            outcome,
            granted,
            is_exact,
            account.limit,
            account.settled,
            account.held,
            datetime.fromtimestamp(account.ends_at, UTC),
            self.now(),
        )

    def flush(
        self,
        epoch: int,
        sequence: int,
        _accounts: Sequence[int],
        outcomes: str,
        back_accounts: Sequence[int],
        back_nanos: Sequence[int],
        late: str,
    ) -> datetime | None:
        self.take_timeline()
        worker = self.workers.get(epoch)
        if worker is None or worker.state != "alive":
            return None
        if sequence > worker.last_sequence:
            rows, late_rows = json.loads(outcomes), json.loads(late)
            self._refuse_poison([*rows, *late_rows])
            worker.last_sequence = sequence
            worker.last_seen_at = self.clock()
            self._book(epoch, rows)
            for row in late_rows:
                self._book_late(epoch, row)
            self._give_back(epoch, zip(back_accounts, back_nanos, strict=True))
        return self.now()

    def standing(self, epoch: int) -> tuple[str, int, dict[str, int]] | None:
        worker = self.workers.get(epoch)
        if worker is None:
            return None
        leases = {str(a.id): int(a.leases[epoch][0]) for a in self.accounts.values() if epoch in a.leases}
        return worker.state, worker.last_sequence, leases

    def fence(self, seconds: float) -> int:
        silent = [w for w in self.workers.values() if w.state == "alive" and w.last_seen_at < self.clock() - seconds]
        for worker in silent:
            worker.state = "fenced"
        return len(silent)

    def succeed(self, epoch: int) -> int | None:
        worker = self.workers.get(epoch)
        if worker is None or worker.state != "fenced":
            return None
        worker.state = "dead"
        successor = self.register(worker.host, worker.lock_name, 0)
        for account in self.accounts.values():
            if epoch in account.leases:
                account.leases[successor] = account.leases.pop(epoch)
                self.touched.add(account.id)
        return successor

    def recover(self, epoch: int, outcomes: str) -> int:
        worker = self.workers[epoch]
        if worker.state not in LIVING:
            return 0
        new = [row for row in json.loads(outcomes) if row["ending"] != "released" and not self._knows(row)]
        try:
            self._refuse_poison(new)
        except psycopg.DataError:
            self._unkept.add(epoch)
            raise
        worker.state = "dead"
        if epoch not in self._unkept:
            self._compare_with_leases(epoch, new)
        self._give_all_back(epoch)
        self._book(epoch, new)
        return sum(row["ending"] == "suspense" for row in new)

    def _compare_with_leases(self, epoch: int, rows: list[dict[str, Any]]) -> None:
        """What a journal says was held and spent is within the leases, unless a fail-over lost some of them."""
        used: Counter[int] = Counter()
        for row in rows:
            nano = row["reserved_nano"]
            used.update(dict.fromkeys(row["account_ids"], min(row["charge_nano"], nano) if _is_settled(row) else nano))
        for account_id, nano in used.items():
            leased = self.accounts[account_id].leases.get(epoch, [0])[0]
            if nano > leased and self.timeline == 1:
                self.report(f"I9 epoch {epoch} left {nano} of account {account_id}, and its lease was {leased}")

    def lose(self, epoch: int) -> int | None:
        worker = self.workers[epoch]
        if worker.state not in LIVING:
            return None
        most = 0
        for account in self.accounts.values():
            if epoch in account.leases:
                most = max(most, int(account.leases[epoch][0]))
                if account.leases[epoch][0] == 0:
                    del account.leases[epoch]
        worker.state = "lost" if most else "dead"
        return most

    def release_lost(self, epoch: int) -> None:
        if self.workers[epoch].state == "lost":
            self.workers[epoch].state = "dead"
            self._give_all_back(epoch)

    def resolve(self, attempt_id: UUID, outcome: dict[str, Any]) -> bool:
        attempt = self.suspense.pop(attempt_id, None)
        if attempt is None:
            return False
        for account_id in attempt["account_ids"]:
            del self.accounts[account_id].suspense[attempt_id]
        if attempt_id in self.estimates:
            self._resolve_rest(attempt_id, attempt, outcome["charge_nano"])
            return True
        apart = {"leased_nano": 0, "held_apart_nano": attempt["reserved_nano"]}
        self._book(attempt["epoch"], [outcome | attempt | apart])
        return True

    def _resolve_rest(self, attempt_id: UUID, attempt: dict[str, Any], charge: int) -> None:
        """What was booked as an estimate becomes what somebody says it cost in all; the rest is given back."""
        booked, rest = self.charges[attempt_id], attempt["reserved_nano"]
        self.estimates.discard(attempt_id)
        for account_id in attempt["account_ids"]:
            account = self.accounts[account_id]
            if charge < booked:
                self.on_more_left(account)
            account.held -= rest
            account.settled += charge - booked
            self.touched.add(account_id)
        self._record(attempt_id, charge, booked + rest)

    def _knows(self, row: dict[str, Any]) -> bool:
        return UUID(row["attempt_id"]) in self.charges or UUID(row["attempt_id"]) in self.suspense

    def _refuse_poison(self, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            if row["ending"] == "settled" and row["reason"] == POISON and not self._knows(row):
                raise psycopg.DataError("A number is out of range.")

    def _book(self, epoch: int, rows: Iterable[dict[str, Any]]) -> None:
        settled_now: set[UUID] = set()
        for row in rows:
            attempt_id = UUID(row["attempt_id"])
            is_rest = row["ending"] == "suspense" and attempt_id in settled_now
            if self._knows(row) and not is_rest:
                self.report(f"I6 attempt {attempt_id} is booked a second time")
                raise psycopg.errors.UniqueViolation("usage record")
            is_settled = row["ending"] == "settled"
            charge, leased, reserved = row["charge_nano"], row["leased_nano"], row["reserved_nano"]
            gone = min(charge, leased) if is_settled else leased
            for account_id in row["account_ids"]:
                account = self.accounts[account_id]
                account.held -= row["held_apart_nano"] + (gone if is_settled else leased - reserved)
                account.settled += charge if is_settled else 0
                if not is_settled:
                    account.suspense[attempt_id] = reserved
                self._unlease(account, epoch, gone)
            if is_settled:
                self._record(attempt_id, charge, reserved)
                settled_now.add(attempt_id)
            else:
                if is_rest:
                    self.estimates.add(attempt_id)
                kept = ("attempt_id", "account_ids", "reserved_nano")
                self.suspense[attempt_id] = {name: row[name] for name in kept} | {"epoch": epoch}

    def _record(self, attempt_id: UUID, charge: int, reserved: int) -> None:
        self.charges[attempt_id] = charge
        if charge > reserved:
            self.overruns.add(attempt_id)
        self.on_booked(attempt_id)

    def _book_late(self, epoch: int, row: dict[str, Any]) -> None:
        attempt_id = UUID(row["attempt_id"])
        if attempt_id in self.suspense:
            if row["ending"] == "settled":
                self.resolve(attempt_id, row)
        elif attempt_id not in self.charges:
            self._book(epoch, [row])

    def _unlease(self, account: Account, epoch: int, nano: int) -> None:
        self.touched.add(account.id)
        lease = account.leases.get(epoch)
        if lease is not None:
            lease[0] -= nano
            lease[1] = self.clock()
            if lease[0] < 0:
                self.report(f"I8 the lease of epoch {epoch} on account {account.id} falls to {lease[0]}")

    def _give_back(self, epoch: int, returned: Iterable[tuple[int, int]]) -> None:
        for account_id, nano in returned:
            account = self.accounts[account_id]
            self.touched.add(account_id)
            if epoch in account.leases:
                account.leases[epoch][0] -= nano
                account.held -= nano

    def _give_all_back(self, epoch: int) -> None:
        for account in self.accounts.values():
            lease = account.leases.pop(epoch, None)
            if lease is not None:
                account.held -= int(lease[0])
                self.touched.add(account.id)


def _is_settled(row: dict[str, Any]) -> bool:
    return bool(row["ending"] == "settled")


LIVING = ("alive", "fenced")
_COPIED = (
    "accounts",
    "workers",
    "charges",
    "estimates",
    "suspense",
    "overruns",
    "limits",
    "next_id",
    "known_timeline",
    "_by_period",
)
