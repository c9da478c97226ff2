"""Leases in hand: whatever happens in whatever order, no money appears or vanishes (I9)."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from governance.metering import leases
from governance.metering.leases import Lease, LeasesInHand, Pending

DAY = 86_400.0
AMOUNTS = st.integers(0, 1_000)


class LeasesMachine(RuleBasedStateMachine):
    """One process with three leases, and what a database would know of each of them in `known`."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 100.0
        self.all = [Lease(number, starts_at=0, ends_at=DAY, at=self.at) for number in (1, 2, 3)]
        self.known = {1: 0, 2: 0, 3: 0}
        self.reserved: list[tuple[list[Lease], int]] = []
        self.booked: list[tuple[list[Lease], int]] = []
        self.returned: list[list[tuple[Lease, int]]] = []

    def path(self, mask: int) -> list[Lease]:
        return [lease for number, lease in enumerate(self.all) if mask >> number & 1]

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        self.at += seconds

    @rule(mask=st.integers(1, 7), want=AMOUNTS)
    def reserve(self, mask: int, want: int) -> None:
        path = self.path(mask)
        could = all(lease.available >= want for lease in path)
        assert leases.reserve(path, want, at=self.at) is could
        if could:
            self.reserved.append((path, want))

    @rule(mask=st.integers(1, 7), want=AMOUNTS, least=AMOUNTS, more=AMOUNTS, exact=st.booleans())
    def claim(self, mask: int, want: int, least: int, more: int, exact: bool) -> None:
        pending = Pending(self.path(mask), want=want, least=min(want, least))
        leases.put_aside(pending)
        leases.queue_up(pending)
        asks = leases.asks_of(pending, at=self.at, is_first=[True] * len(pending.path))
        leases.stand_down(pending)
        assert {ask.account_id for ask in asks} == {
            lease.account_id for lease, aside in zip(pending.path, pending.aside, strict=True) if aside < want
        }
        for ask in asks:
            lease = self.all[ask.account_id - 1]
            self.known[ask.account_id] += ask.need + more
            leases.take_grant(pending, lease, ask.need + more, is_exact=exact)
        amount = leases.complete(pending, at=self.at)
        assert pending.least <= amount <= want
        self.reserved.append((pending.path, amount))  # type: ignore[arg-type]

    @rule(mask=st.integers(1, 7), want=AMOUNTS)
    def is_refused(self, mask: int, want: int) -> None:
        before = [(lease.available, lease.in_flight) for lease in self.all]
        pending = Pending(self.path(mask), want=want, least=want)
        leases.put_aside(pending)
        leases.put_back(pending)
        assert pending.aside == [0] * len(pending.path)
        assert [(lease.available, lease.in_flight) for lease in self.all] == before

    @precondition(lambda self: self.reserved)
    @rule(data=st.data(), charge=AMOUNTS)
    def settle(self, data: st.DataObject, charge: int) -> None:
        path, reserved = self.reserved.pop(data.draw(st.integers(0, len(self.reserved) - 1)))
        used = leases.settle(path, reserved=reserved, charge=charge, at=self.at)
        assert used == min(charge, reserved)
        self.booked.append((path, used))

    @precondition(lambda self: self.reserved)
    @rule(data=st.data())
    def shrink(self, data: st.DataObject) -> None:
        path, reserved = self.reserved.pop()
        left = data.draw(st.integers(0, reserved))
        leases.release(path, reserved - left)
        self.reserved.append((path, left))

    @precondition(lambda self: self.reserved)
    @rule()
    def suspend(self) -> None:
        path, reserved = self.reserved.pop()
        leases.suspend(path, reserved)
        self.booked.append((path, reserved))

    @precondition(lambda self: self.booked)
    @rule()
    def confirm(self) -> None:
        path, used = self.booked.pop(0)
        leases.confirm_booked(path, used)
        for lease in path:
            self.known[lease.account_id] -= used

    @rule(number=st.integers(0, 2))
    def recall(self, number: int) -> None:
        self.all[number].recalled_until = self.at + leases.RECALL_SECONDS

    @rule()
    def take_surplus(self) -> None:
        before = {lease.account_id: lease.available for lease in self.all}
        returned = leases.take_surplus(self.all, at=self.at)
        assert all(0 < nano <= before[lease.account_id] for lease, nano in returned)
        self.returned.append(returned)

    @precondition(lambda self: self.returned)
    @rule(is_taken=st.booleans())
    def give_back(self, is_taken: bool) -> None:
        returned = self.returned.pop()
        if not is_taken:
            leases.undo_return(returned)
            return
        leases.confirm_return(returned)
        for lease, nano in returned:
            self.known[lease.account_id] -= nano

    @rule(number=st.integers(0, 2), lost=AMOUNTS)
    def find_a_lost_grant(self, number: int, lost: int) -> None:
        lease = self.all[number]
        self.known[lease.account_id] += lost
        assert leases.correct(lease, self.known[lease.account_id]) == lost

    @invariant()
    def every_part_adds_up(self) -> None:
        for lease in self.all:
            assert min(lease.available, lease.in_flight, lease.unbooked) >= 0
            assert lease.available + lease.in_flight + lease.unbooked == lease.total == self.known[lease.account_id]
            assert lease.in_flight == sum(amount for path, amount in self.reserved if lease in path)
            assert lease.waiting == 0
            assert lease.is_empty is (lease.total == 0)


TestLeases = LeasesMachine.TestCase


def lease_with(available: int, *, typical: int = 0) -> Lease:
    lease = Lease(1, starts_at=0, ends_at=DAY, at=10)
    lease.available = available
    lease.typical = typical
    return lease


def test_near_the_edges_of_a_period_only_the_database_decides() -> None:
    lease = lease_with(100)
    guard = leases.GUARD_SECONDS
    assert [leases.reserve([lease], 1, at=at) for at in (guard - 0.01, guard, DAY - guard - 0.01, DAY - guard)] == [
        False,
        True,
        True,
        False,
    ]
    asks = leases.asks_of(Pending([lease], want=0, least=0), at=DAY - guard, is_first=[True])
    assert [(ask.need, ask.short) for ask in asks] == [(0, 0)]


def test_what_is_asked_is_what_is_missing_and_only_the_first_asks_for_a_slice() -> None:
    lease = lease_with(30, typical=50)
    pending = Pending([lease], want=100, least=40)
    leases.put_aside(pending)
    leases.queue_up(pending)
    assert lease.waiting == 70
    (first,) = leases.asks_of(pending, at=20, is_first=[True])
    (second,) = leases.asks_of(pending, at=20, is_first=[False])
    assert (first.account_id, first.need, first.short, first.slice, first.typical, first.least) == (
        1,
        10,
        70,
        200,
        50,
        40,
    )
    assert second.slice == 0


def test_a_lease_gives_back_what_it_will_not_need() -> None:
    lease = lease_with(1_000, typical=100)
    lease.used_at = 20
    assert lease.surplus(20) == 600
    lease.available = 800
    assert lease.surplus(20) == 0
    assert lease.surplus(20 + leases.IDLE_SECONDS - 0.01) == 0
    assert lease.surplus(20 + leases.IDLE_SECONDS) == 800
    lease.recalled_until = 21
    assert (lease.surplus(20.9), lease.surplus(21)) == (800, 0)
    lease.is_exact = True
    assert lease.surplus(21) == 800
    lease.is_exact = False
    lease.used_at = DAY
    assert lease.surplus(DAY) == 800


def test_the_typical_reservation_follows_what_is_reserved() -> None:
    lease = lease_with(10_000)
    leases.reserve([lease], 800, at=20)
    assert lease.typical == 100
    leases.reserve([lease], 900, at=21)
    assert (lease.typical, lease.used_at) == (200, 21)
    fresh = lease_with(0)
    pending = Pending([fresh], want=60, least=60)
    leases.take_grant(pending, fresh, 100, is_exact=True)
    assert leases.complete(pending, at=33) == 60
    assert (fresh.typical, fresh.used_at, fresh.available, fresh.is_exact) == (60, 33, 40, True)
    again = Pending([fresh], want=40, least=40)
    leases.put_aside(again)
    leases.complete(again, at=34)
    assert fresh.typical == 60 + ((40 - 60) >> 3)


def test_a_claim_without_budgets_gets_what_it_wants() -> None:
    assert leases.complete(Pending([], want=70, least=70), at=1) == 70


def test_leases_in_hand_are_found_by_budget_as_long_as_their_period_lasts() -> None:
    in_hand = LeasesInHand()
    lease = in_hand.take_up("team", Lease(1, starts_at=10, ends_at=20, at=10))
    assert in_hand.path(["team"], at=10) == [lease]
    assert in_hand.path(["team"], at=9.9) is None
    assert in_hand.path(["team"], at=20) is None
    assert in_hand.path(["team", "key"], at=15) is None
    assert in_hand.current("team", at=10) is lease
    assert in_hand.current("team", at=19.9) is lease
    assert in_hand.current("team", at=20) is None
    assert in_hand.current("key", at=15) is None
    assert in_hand.of_account(1) is lease
    assert in_hand.take_up("team", Lease(1, starts_at=10, ends_at=20, at=11)) is lease
    assert in_hand.adopt(Lease(1, starts_at=0, ends_at=0, at=0)) is lease
    in_hand.forget(lease)
    assert in_hand.current("team", at=15) is None
    assert (len(in_hand), list(in_hand)) == (1, [lease])
    in_hand.clear()
    assert (len(in_hand), in_hand.of_account(1)) == (0, None)
    assert in_hand.adopt(lease) is in_hand.of_account(1) is lease


def test_the_turn_of_a_window_keeps_the_pace_of_its_budget() -> None:
    in_hand = LeasesInHand()
    former = in_hand.take_up("team", Lease(1, starts_at=0, ends_at=60, at=0))
    former.pace.add(900, at=50)
    former.typical, former.lasting = 70, 1.5
    in_hand.forget(former)
    lease = in_hand.take_up("team", Lease(2, starts_at=60, ends_at=120, at=60))
    assert (lease.worth_having(60), lease.typical, lease.lasting, lease.available) == (900, 70, 1.5, 0)
    leases.settle([former], reserved=0, charge=40, at=60)
    assert lease.worth_having(60) == 940
    other = in_hand.take_up("key", Lease(3, starts_at=60, ends_at=120, at=60))
    assert other.worth_having(60) == 0
    in_hand.drop_empty(at=former.ends_at + leases.KEPT_SECONDS)
    assert in_hand.current("team", at=100) is lease


def test_a_lease_whose_budget_is_known_by_another_name_is_found_by_that_alone() -> None:
    in_hand = LeasesInHand()
    lease = in_hand.take_up("before", Lease(1, starts_at=0, ends_at=60, at=0))
    assert in_hand.take_up("after", Lease(1, starts_at=0, ends_at=60, at=0)) is lease
    assert (in_hand.current("before", at=1), in_hand.current("after", at=1)) == (None, lease)
    in_hand.give_up(1)
    assert in_hand.current("after", at=1) is None


def test_the_first_claim_asks_for_as_much_as_a_few_of_its_kind_need() -> None:
    pending = Pending([Lease(1, starts_at=0, ends_at=DAY, at=0)], want=70, least=50)
    leases.queue_up(pending)
    (first,) = leases.asks_of(pending, at=20, is_first=[True])
    assert (first.need, first.short, first.slice, first.typical) == (50, 70, 4 * 70, 70)


def test_what_is_withheld_cannot_be_reserved() -> None:
    lease = lease_with(100)
    lease.in_flight = 5
    leases.withhold([lease], 30)
    assert (lease.available, lease.in_flight) == (70, 35)


def test_what_should_go_back_is_taken_and_stays_unbooked_until_the_database_has_it() -> None:
    idle, busy = lease_with(70), lease_with(1_000, typical=500)
    idle.used_at, busy.used_at = 0, 20
    idle.unbooked = busy.unbooked = 3
    returned = leases.take_surplus([idle, busy], at=20)
    assert returned == [(idle, 70)]
    assert [(each.available, each.unbooked) for each in (idle, busy)] == [(0, 73), (1_000, 3)]
    leases.confirm_return(returned)
    assert idle.unbooked == 3


def test_what_is_put_aside_for_a_claim_is_exactly_what_it_lacks() -> None:
    rich, poor = lease_with(100), lease_with(4)
    rich.in_flight = poor.in_flight = 7
    pending = Pending([rich, poor], want=10, least=10)
    leases.put_aside(pending)
    assert pending.aside == [10, 4]
    poor.available += 50
    leases.put_aside(pending)
    assert pending.aside == [10, 10]
    assert [(each.available, each.in_flight) for each in (rich, poor)] == [(90, 17), (44, 17)]


def test_a_claim_becomes_the_least_that_was_put_aside_and_the_rest_is_free_again() -> None:
    first, second = lease_with(100), lease_with(100)
    first.in_flight = second.in_flight = 7
    second.typical = 80
    pending = Pending([first, second], want=60, least=10)
    leases.put_aside(pending)
    leases.take_grant(pending, second, 20, is_exact=False)
    first.in_flight -= 25
    pending.aside[0] -= 25
    assert leases.complete(pending, at=33) == 35
    assert [(each.available, each.in_flight, each.typical, each.used_at) for each in (first, second)] == [
        (40, 42, 35, 33),
        (85, 42, 80 + ((35 - 80) >> 3), 33),
    ]


def test_claims_that_wait_stand_in_the_line_with_what_they_lack() -> None:
    lease = lease_with(0)
    one, other = Pending([lease], want=60, least=1), Pending([lease], want=30, least=1)
    one.aside[0] = 15
    leases.queue_up(one)
    leases.queue_up(other)
    assert lease.waiting == 45 + 30
    leases.stand_down(one)
    assert lease.waiting == 30


def test_a_lease_that_was_used_lately_is_kept() -> None:
    in_hand = LeasesInHand()
    lease = in_hand.take_up("team", Lease(1, starts_at=0, ends_at=DAY, at=0))
    lease.used_at = 100
    in_hand.drop_empty(at=101)
    assert list(in_hand) == [lease]


def test_only_empty_leases_that_are_over_or_long_unused_are_dropped() -> None:
    in_hand = LeasesInHand()
    over = in_hand.take_up("over", Lease(1, starts_at=0, ends_at=50, at=0))
    full = in_hand.take_up("full", Lease(2, starts_at=0, ends_at=50, at=0))
    unused = in_hand.take_up("unused", Lease(3, starts_at=0, ends_at=DAY, at=0))
    full.unbooked = 1
    in_hand.drop_empty(at=50 + leases.KEPT_SECONDS - 0.1)
    assert len(in_hand) == 3
    in_hand.drop_empty(at=50 + leases.KEPT_SECONDS)
    assert list(in_hand) == [full, unused]
    assert in_hand.current("over", at=49) is None
    assert over.is_empty
    over.pace.add(500, at=50)
    assert in_hand.take_up("over", Lease(4, starts_at=50, ends_at=DAY, at=50)).worth_having(50) == 0
    assert in_hand.of_account(4) is in_hand.current("over", at=60)
    in_hand.give_up(4)
    in_hand.drop_empty(at=leases.FORGET_SECONDS)
    assert list(in_hand) == [full, unused]
    in_hand.drop_empty(at=leases.FORGET_SECONDS + 0.1)
    assert list(in_hand) == [full]


def test_a_new_lease_is_empty_and_nothing_is_known_of_its_use() -> None:
    lease = Lease(7, starts_at=10, ends_at=90, at=20)
    assert (lease.account_id, lease.available, lease.in_flight, lease.unbooked) == (7, 0, 0, 0)
    assert (lease.typical, lease.waiting, lease.is_exact) == (0, 0, False)
    assert lease.is_exact is False
    assert (lease.recalled_until, lease.used_at, lease.pace.nano(at=20)) == (20, 20, 0)


def test_a_lease_is_worth_its_last_minute_some_reservations_or_what_waits() -> None:
    lease = lease_with(0)
    lease.pace.add(500, at=10)
    assert lease.worth_having(10) == 500
    lease.typical = 130
    assert lease.worth_having(10) == 520
    lease.waiting = 530
    assert lease.worth_having(10) == 530


def test_at_the_first_safe_instant_nothing_is_asked_for_what_is_there() -> None:
    lease = lease_with(100)
    pending = Pending([lease], want=50, least=50)
    leases.put_aside(pending)
    asked = [leases.asks_of(pending, at=at, is_first=[True]) for at in (lease.safe_from, DAY - leases.GUARD_SECONDS)]
    assert [len(asks) for asks in asked] == [0, 1]


def test_what_comes_free_is_wanted_back_by_an_exact_account_and_by_one_over_its_limit() -> None:
    usual, exact, over = lease_with(0), lease_with(0), lease_with(0)
    exact.is_exact = True
    over.lower()
    assert [leases.is_wanted_back(path) for path in ([usual], [usual, exact], [over, usual], [])] == [
        False,
        True,
        True,
        False,
    ]


def in_use(available: int, *, typical: int = 50, at: float = 100) -> Lease:
    """Return a lease whose reservations are of this size, used at this instant: worth four of them."""
    lease = lease_with(available)
    lease.typical, lease.used_at, lease.recalled_until = typical, at, 0
    return lease


def test_a_lease_in_use_is_asked_for_when_less_than_half_of_its_worth_is_left() -> None:
    half, low, empty = in_use(100), in_use(99), in_use(0)
    found = leases.low_leases([half, low, empty], at=100)
    assert [lease for lease, _ in found] == [low, empty]
    assert [ask.slice for _, ask in found] == [101, 200]
    ask = found[0][1]
    assert (ask.account_id, ask.need, ask.short, ask.typical, ask.least) == (low.account_id, 0, 0, 50, 0)


def test_a_lease_that_is_not_to_grow_is_not_asked_for() -> None:
    exact, idle, recalled = in_use(0), in_use(0), in_use(0)
    exact.is_exact = True
    idle.used_at = 100 - leases.IDLE_SECONDS
    recalled.recalled_until = 100.5
    assert leases.low_leases([exact, idle, recalled], at=100) == []
    idle.used_at += 0.1
    recalled.recalled_until = 100
    assert [lease for lease, _ in leases.low_leases([exact, idle, recalled], at=100)] == [idle, recalled]


def test_at_the_edges_of_its_period_a_lease_is_not_asked_for() -> None:
    lease = in_use(0)
    at_edges = (lease.safe_from - 0.1, lease.safe_from, lease.safe_until - 0.1, lease.safe_until)
    found = []
    for at in at_edges:
        lease.used_at = at
        found.append(len(leases.low_leases([lease], at=at)))
    assert found == [0, 1, 1, 0]


def test_a_grant_that_nobody_asked_for_is_available_and_tells_how_exact_the_lease_is() -> None:
    lease = lease_with(10)
    leases.top_up(lease, 30, is_exact=True)
    assert (lease.available, lease.in_flight, lease.is_exact) == (40, 0, True)
    leases.top_up(lease, 0, is_exact=False)
    assert (lease.available, lease.is_exact) == (40, False)


def test_an_estimate_takes_the_whole_reservation_and_counts_its_charge_as_spent() -> None:
    path = [lease_with(0), lease_with(0)]
    for lease in path:
        lease.in_flight = 100
    leases.estimate(path, reserved=60, charge=25, at=7)
    assert [(lease.in_flight, lease.unbooked, lease.available) for lease in path] == [(40, 60, 0)] * 2
    assert [(lease.used_at, lease.pace.nano(at=7)) for lease in path] == [(7, 25)] * 2


def test_how_long_reservations_last_is_an_average_of_late() -> None:
    lease = lease_with(0)
    leases.remember_lasting([lease], 8.0)
    assert lease.lasting == 8.0
    leases.remember_lasting([lease], 16.0)
    assert lease.lasting == 9.0


def test_a_lease_that_was_given_up_lends_nothing_and_what_is_in_flight_can_still_end() -> None:
    in_hand = LeasesInHand()
    lease, kept = (
        in_hand.take_up(key, Lease(number, starts_at=0, ends_at=DAY, at=0)) for number, key in enumerate(("a", "b"))
    )
    lease.available, lease.in_flight, kept.available = 70, 30, 5
    in_hand.give_up(lease.account_id)
    assert (lease.available, lease.in_flight) == (0, 30)
    assert list(in_hand) == [kept]
    assert in_hand.current("a", at=10) is None
    assert in_hand.current("b", at=10) is kept
    in_hand.give_up(99)
    assert (list(in_hand), kept.available) == ([kept], 5)


def test_of_a_lowered_account_everything_idle_goes_back_until_the_database_lends_anew() -> None:
    lease = in_use(400)
    assert (lease.is_over, lease.surplus(100)) == (False, 0)
    lease.lower()
    assert (lease.is_over, lease.surplus(100)) == (True, 400)
    assert lease.safe_until == lease.starts_at - leases.GUARD_SECONDS
    assert not leases.reserve([lease], 1, at=100)
    pending = Pending([lease], want=50, least=50)
    leases.put_aside(pending)
    assert pending.aside == [0]
    other = in_use(400)
    beside = Pending([lease, other], want=50, least=50)
    leases.put_aside(beside)
    assert beside.aside == [0, 50]
    leases.put_back(beside)
    leases.take_grant(pending, lease, 50, is_exact=False)
    assert (lease.is_over, lease.safe_until, pending.aside) == (False, lease.ends_at - leases.GUARD_SECONDS, [50])
