"""The leases one process has in hand, as a pure state machine: no I/O, no clock, no randomness.

The gateway drives it with a database behind (`leased.py`), the simulator with a pretended one: the arithmetic of money
in a process exists once, here. Invariant of every lease (I9): available + in_flight + unbooked = what the database
knows as this epoch's lease on the account. Instants are seconds of the database's clock.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final

from governance.metering.slices import TYPICAL_TIMES, Ask, Pace

GUARD_SECONDS: Final = 1.0
"""This near to a boundary of its period only the database's own clock decides which account pays."""
IDLE_SECONDS: Final = 5.0
"""A lease that paid for nothing so long is given back whole, unless its process is told another time."""
RECALL_SECONDS: Final = 1.0
"""After a recall whatever comes free is given back at once, for so long."""
FORGET_SECONDS: Final = 120.0
KEPT_SECONDS: Final = 60.0
"""A lease whose period is over is remembered for so long: a database that lost its account is told of it."""
_TYPICAL_SHIFT: Final = 3
_LASTING_SHARE: Final = 1 / 8


class Lease:
    """One account's allotment to this process, in nano-USD.

    `available` can be reserved; `in_flight` is reserved; `unbooked` is used up or given back, but the database has not
    confirmed it yet.
    """

    __slots__ = (
        "account_id",
        "available",
        "ends_at",
        "idle_seconds",
        "in_flight",
        "is_exact",
        "key",
        "lasting",
        "pace",
        "recalled_until",
        "safe_from",
        "safe_until",
        "starts_at",
        "typical",
        "unbooked",
        "used_at",
        "waiting",
    )

    def __init__(
        self, account_id: int, *, starts_at: float, ends_at: float, at: float, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self.account_id = account_id
        self.key: Hashable | None = None
        self.starts_at = starts_at
        self.ends_at = ends_at
        self.safe_from = starts_at + GUARD_SECONDS
        self.safe_until = ends_at - GUARD_SECONDS
        self.idle_seconds = idle_seconds
        self.available = 0
        self.in_flight = 0
        self.unbooked = 0
        self.typical = 0
        self.waiting = 0
        self.is_exact = False
        self.lasting = 0.0
        """How many seconds a reservation lasts, of late."""
        self.recalled_until = at
        self.used_at = at
        self.pace = Pace(at)

    def succeed(self, former: "Lease") -> None:
        """Go on at the pace of the period before: the turn of a window does not change what is spent in a minute."""
        self.pace = former.pace
        self.typical = self.typical or former.typical
        self.lasting = self.lasting or former.lasting

    @property
    def is_over(self) -> bool:
        """Whether its account's limit was lowered, and the database has granted nothing on it since."""
        return self.safe_until < self.starts_at

    def lower(self) -> None:
        """The limit of its account went down: what lies idle goes back, and only the database lends of it now."""
        self.safe_until = self.starts_at - GUARD_SECONDS

    @property
    def total(self) -> int:
        """What the database knows as the lease."""
        return self.available + self.in_flight + self.unbooked

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is left here."""
        return not (self.available or self.in_flight or self.unbooked)

    def worth_having(self, at: float) -> int:
        """Return the size this lease should have: a minute of spending, a few reservations, or what waits for it."""
        return max(self.pace.nano(at=at), TYPICAL_TIMES * self.typical, self.waiting)

    def surplus(self, at: float) -> int:
        """Return how much of `available` should go back to the account now."""
        if (
            self.is_exact
            or self.is_over
            or at < self.recalled_until
            or at >= self.ends_at
            or at - self.used_at >= self.idle_seconds
        ):
            return max(0, self.available)
        target = self.worth_having(at)
        return self.available - target if self.available > 2 * target else 0


class Pending:
    """A claim that waits for money: what it has put aside of each lease of its path, in the order of the path.

    What is put aside counts as in flight, so that nobody else can take it meanwhile.
    """

    __slots__ = ("aside", "least", "path", "want")

    def __init__(self, path: Sequence[Lease], *, want: int, least: int) -> None:
        self.path = path
        self.want = want
        self.least = least
        self.aside = [0] * len(path)


class LeasesInHand:
    """All leases of the process: the current one of each budget, and older ones until nothing of them is left."""

    def __init__(self) -> None:
        self._current: dict[Hashable, Lease] = {}
        self._latest: dict[Hashable, Lease] = {}
        self._by_account: dict[int, Lease] = {}

    def __iter__(self) -> Iterator[Lease]:
        return iter(self._by_account.values())

    def __len__(self) -> int:
        return len(self._by_account)

    def path(self, keys: Iterable[Hashable], *, at: float) -> list[Lease] | None:
        """Return the leases on the accounts that pay at this instant; None when one of them is not known yet."""
        path = []
        for key in keys:
            lease = self._current.get(key)
            if lease is None or not lease.starts_at <= at < lease.ends_at:
                return None
            path.append(lease)
        return path

    def current(self, key: Hashable, *, at: float) -> Lease | None:
        """Return the lease on the account that pays at this instant, if it is known."""
        lease = self._current.get(key)
        return lease if lease is not None and lease.starts_at <= at < lease.ends_at else None

    def of_account(self, account_id: int) -> Lease | None:
        """Return the lease on this account."""
        return self._by_account.get(account_id)

    def take_up(self, key: Hashable, lease: Lease) -> Lease:
        """Make this the current lease of a budget; an older object for the same account goes on."""
        lease = self._by_account.setdefault(lease.account_id, lease)
        if lease.key != key:
            self._let_go(lease)
            former = self._latest.get(key)
            if former is not None:
                lease.succeed(former)
        lease.key = key
        self._current[key] = self._latest[key] = lease
        return lease

    def adopt(self, lease: Lease) -> Lease:
        """Keep a lease that the database knows and this process does not."""
        return self._by_account.setdefault(lease.account_id, lease)

    def forget(self, lease: Lease) -> None:
        """Its period is over by the database's clock: another account pays now."""
        if self._current.get(lease.key) is lease:
            del self._current[lease.key]

    def give_up(self, account_id: int) -> None:
        """Another account stands in the place of this one: its money is the books' again, and nothing is lent of it."""
        lease = self._by_account.pop(account_id, None)
        if lease is not None:
            self._let_go(lease)
            lease.available = 0

    def clear(self) -> None:
        """Forget everything: the books have given this process's leases up."""
        self._current.clear()
        self._latest.clear()
        self._by_account.clear()

    def drop_empty(self, *, at: float) -> None:
        """Let go of leases that are over or long unused and hold nothing."""
        gone = [
            lease
            for lease in self
            if lease.is_empty and (at - lease.ends_at >= KEPT_SECONDS or at - lease.used_at > FORGET_SECONDS)
        ]
        for lease in gone:
            del self._by_account[lease.account_id]
            self._let_go(lease)

    def _let_go(self, lease: Lease) -> None:
        self.forget(lease)
        if self._latest.get(lease.key) is lease:
            del self._latest[lease.key]


def reserve(path: Sequence[Lease], want: int, *, at: float) -> bool:
    """Reserve on every lease of the path, or on none: the fast path, without any I/O.

    False when a lease lacks money, or when its period is so near its boundary that the database must decide.
    """
    for lease in path:
        if lease.available < want or not lease.safe_from <= at < lease.safe_until:
            return False
    for lease in path:
        lease.available -= want
        lease.in_flight += want
        lease.used_at = at
        lease.typical += (want - lease.typical) >> _TYPICAL_SHIFT
    return True


def is_wanted_back(path: Sequence[Lease]) -> bool:
    """Return whether what comes free on one of these leases goes back to its account at once."""
    return True in [lease.is_exact or lease.safe_until < lease.starts_at for lease in path]


def put_aside(pending: Pending) -> None:
    """Take what the leases in hand can give towards the claim; of an account over its limit the database lends anew."""
    for index, lease in enumerate(pending.path):
        if lease.is_over:
            continue
        taken = min(lease.available, pending.want - pending.aside[index])
        lease.available -= taken
        lease.in_flight += taken
        pending.aside[index] += taken


def put_back(pending: Pending) -> None:
    """Return what was put aside: the claim is refused, or waits without keeping others from their money."""
    for index, lease in enumerate(pending.path):
        lease.in_flight -= pending.aside[index]
        lease.available += pending.aside[index]
        pending.aside[index] = 0


def queue_up(pending: Pending) -> None:
    """Let the leases know what waits for them, so that one slice serves all of it."""
    for index, lease in enumerate(pending.path):
        lease.waiting += pending.want - pending.aside[index]


def stand_down(pending: Pending) -> None:
    """Undo `queue_up`."""
    for index, lease in enumerate(pending.path):
        lease.waiting -= pending.want - pending.aside[index]


def asks_of(pending: Pending, *, at: float, is_first: Sequence[bool]) -> list[Ask]:
    """Return what the claim must ask the database for; nothing when it has all it wants.

    `is_first` says per lease whether this claim is the first of its batch to ask it: only that one asks for a slice.
    """
    asks = []
    for index, lease in enumerate(pending.path):
        aside = pending.aside[index]
        is_safe = lease.safe_from <= at < lease.safe_until
        if aside >= pending.want and is_safe:
            continue
        typical = lease.typical or pending.want
        asks.append(
            Ask(
                account_id=lease.account_id,
                need=max(0, pending.least - aside),
                short=max(0, pending.want - aside),
                slice=max(lease.worth_having(at), TYPICAL_TIMES * typical) if is_first[index] else 0,
                typical=typical,
                least=pending.least,
            )
        )
    return asks


def low_leases(leases: Iterable[Lease], *, at: float) -> list[tuple[Lease, Ask]]:
    """Return the leases in use of which less is left than half of what is worth having, and what to ask for each."""
    low = []
    for lease in leases:
        is_in_use = lease.safe_from <= at < lease.safe_until and at - lease.used_at < lease.idle_seconds
        if not is_in_use or lease.is_exact or at < lease.recalled_until:
            continue
        target = lease.worth_having(at)
        if 2 * lease.available < target:
            short = target - lease.available
            low.append((lease, Ask(lease.account_id, need=0, short=0, slice=short, typical=lease.typical, least=0)))
    return low


def top_up(lease: Lease, nano: int, *, is_exact: bool) -> None:
    """Add a grant that no claim asked for."""
    lease.available += nano
    lease.is_exact = is_exact


def take_grant(pending: Pending, lease: Lease, nano: int, *, is_exact: bool) -> None:
    """Add a grant of the database to a lease, for the claim."""
    lease.in_flight += nano
    lease.is_exact = is_exact
    if lease.is_over:
        lease.safe_until = lease.ends_at - GUARD_SECONDS
    pending.aside[pending.path.index(lease)] += nano


def complete(pending: Pending, *, at: float) -> int:
    """Turn what was put aside into the reservation; return its amount. What is left over becomes available."""
    amount = min(pending.want, *pending.aside) if pending.path else pending.want
    for index, lease in enumerate(pending.path):
        left_over = pending.aside[index] - amount
        lease.in_flight -= left_over
        lease.available += left_over
        lease.used_at = at
        lease.typical += (amount - lease.typical) >> _TYPICAL_SHIFT if lease.typical else amount
    return amount


def settle(path: Sequence[Lease], *, reserved: int, charge: int, at: float) -> int:
    """End a reservation at its charge; return what it uses up of each lease. The rest becomes available.

    A charge above the reservation is a fact that settled money takes up; the lease gives only what was reserved.
    """
    used = min(charge, reserved)
    for lease in path:
        lease.in_flight -= reserved
        lease.unbooked += used
        lease.available += reserved - used
        lease.used_at = at
        lease.pace.add(charge, at=at)
    return used


def remember_lasting(path: Sequence[Lease], seconds: float) -> None:
    """Learn how long a reservation has lasted."""
    for lease in path:
        lease.lasting += (seconds - lease.lasting) * _LASTING_SHARE if lease.lasting else seconds


def release(path: Sequence[Lease], reserved: int) -> None:
    """Make reserved money available: of an attempt that cost nothing, a part that shrank, or what was withheld."""
    for lease in path:
        lease.in_flight -= reserved
        lease.available += reserved


def suspend(path: Sequence[Lease], reserved: int) -> None:
    """End a reservation whose cost nobody can prove: all of it leaves the lease, and stays held as suspense."""
    for lease in path:
        lease.in_flight -= reserved
        lease.unbooked += reserved


def estimate(path: Sequence[Lease], *, reserved: int, charge: int, at: float) -> None:
    """End a reservation of which so much is settled as an estimate: the rest stays held as suspense, so all leaves."""
    suspend(path, reserved)
    for lease in path:
        lease.used_at = at
        lease.pace.add(charge, at=at)


def withhold(path: Sequence[Lease], nano: int) -> None:
    """Keep money from being reserved again: the journal could not yet be told that it came free."""
    for lease in path:
        lease.available -= nano
        lease.in_flight += nano


def take_surplus(leases: Iterable[Lease], *, at: float) -> list[tuple[Lease, int]]:
    """Take what should go back to the accounts; it stays unbooked until `confirm_return`."""
    returned = []
    for lease in leases:
        surplus = lease.surplus(at)
        if surplus:
            lease.available -= surplus
            lease.unbooked += surplus
            returned.append((lease, surplus))
    return returned


def confirm_return(returned: Iterable[tuple[Lease, int]]) -> None:
    """The database has taken it back."""
    for lease, nano in returned:
        lease.unbooked -= nano


def undo_return(returned: Iterable[tuple[Lease, int]]) -> None:
    """The database could not take it back just now."""
    for lease, nano in returned:
        lease.unbooked -= nano
        lease.available += nano


def confirm_booked(path: Sequence[Lease], nano: int) -> None:
    """The database has booked an outcome that used up so much of each lease."""
    for lease in path:
        lease.unbooked -= nano


def correct(lease: Lease, known_nano: int) -> int:
    """After a lost answer: take the database's word for a lease; return what turned out to be in hand besides."""
    found = known_nano - lease.total
    lease.available += found
    return found
