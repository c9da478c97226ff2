"""Slices and permits in the memory of processes: for any interleaving of requests, losses, silences and deaths, no
window admits more than its amount, and no more requests run at once than are allowed.
"""

import math
from collections import defaultdict
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from governance.metering import rates
from governance.metering.rates import Admission, Line, RateClaim, Share, slice_size
from governance.policy.rate_limit import Counts, LimitWindow, RateLimitPolicy

REQUESTS = RateLimitPolicy(id=0, name="r", scope="team a", counts=Counts.REQUESTS, amount=20, window=LimitWindow.MINUTE)
TOKENS = RateLimitPolicy(id=1, name="t", scope="team a", counts=Counts.TOKENS, amount=600, window=LimitWindow.MINUTE)
PERMITS = RateLimitPolicy(id=2, name="c", scope="team a", counts=Counts.CONCURRENT, amount=4)
LIMITS = (REQUESTS, TOKENS, PERMITS)
RECENT_SECONDS = 10


class Answer(NamedTuple):
    """One line of what the pretended database answers."""

    claim: int
    allowance_id: int
    granted: int | None
    is_exact: bool
    remaining: int
    window: datetime | None
    ends_at: float


class Store:
    """What `metering_take` does, without a database. Epochs that are not in `alive` are not heard."""

    def __init__(self) -> None:
        self.now = 1_000_000_020.0
        self.alive: set[int] = set()
        self.window = {limit.id: 0.0 for limit in LIMITS}
        self.taken = {limit.id: 0 for limit in LIMITS}
        self.allotted: dict[tuple[int, int], tuple[int, int]] = {}
        self.used_at: dict[tuple[int, int], float] = {}

    def remaining(self, limit: RateLimitPolicy) -> int:
        if limit.window is not None:
            return limit.amount - self.taken[limit.id]
        return limit.amount - sum(
            kept for (epoch, allowance), (kept, _) in self.allotted.items() if allowance == limit.id
        )

    def take(self, epoch: int, sequence: int, lines: list[tuple[int, Line]]) -> list[Answer] | None:
        if epoch not in self.alive:
            return None
        self.allotted = {key: value for key, value in self.allotted.items() if key[0] in self.alive}
        said = [line for _, line in lines if line.keeps is not None]
        if any(self.allotted.get((epoch, line.allowance_id), (0, 0))[1] >= sequence for line in said):
            return []
        for line in said:
            assert line.keeps is not None
            self.allotted[epoch, line.allowance_id] = (line.keeps, sequence)
        for limit in LIMITS:
            if self.now // 60 * 60 > self.window[limit.id]:
                self.window[limit.id], self.taken[limit.id] = self.now // 60 * 60, 0
        for _, line in lines:
            if line.back and line.window == _instant(self.window[line.allowance_id]):
                assert self.taken[line.allowance_id] >= line.back
                self.taken[line.allowance_id] -= line.back
        return [self._grant(epoch, sequence, number, line) for number, line in lines]

    def _grant(self, epoch: int, sequence: int, number: int, line: Line) -> Answer:
        limit = LIMITS[line.allowance_id]
        if line.want:
            self.used_at[epoch, limit.id] = self.now
        users = 1 + sum(
            1
            for (other, allowance), at in self.used_at.items()
            if allowance == limit.id and other != epoch and other in self.alive and at > self.now - RECENT_SECONDS
        )
        size = slice_size(line, remaining=self.remaining(limit), users=users)
        granted, is_exact = size if size is not None else (0, False)
        if limit.window is not None:
            self.taken[limit.id] += granted
        else:
            kept, _ = self.allotted[epoch, limit.id]
            self.allotted[epoch, limit.id] = (kept + granted, sequence)
        window = _instant(self.window[limit.id]) if limit.window is not None else None
        ends_at = self.window[limit.id] + 60 if limit.window is not None else math.inf
        left = self.remaining(limit)
        return Answer(number, limit.id, granted if size is not None else None, is_exact, left, window, ends_at)


class Process:
    """One gateway process, with a clock that is a little wrong."""

    def __init__(self, epoch: int, skew: float) -> None:
        self.epoch = epoch
        self.skew = skew
        self.sequence = 0
        self.shares: dict[int, Share] = {}
        self.running: list[Admission] = []

    def begin(self, epoch: int) -> None:
        """Go on under another epoch, with nothing in hand."""
        self.epoch = epoch
        self.shares = {}

    def path(self, limits: list[RateLimitPolicy], at: float) -> list[Share]:
        return [self.shares.setdefault(limit.id, Share(limit.id, limit, at=at)) for limit in limits]


class Worlds(RuleBasedStateMachine):
    """Any number of processes at three limits."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.processes: list[Process] = []
        self.epochs = 0
        self.late: list[tuple[int, int, list[tuple[int, Line]]]] = []
        self.used: dict[tuple[int, datetime | None], int] = defaultdict(int)
        self.has_lost = False
        self.a_process_starts(skew=0.0)
        self.a_process_starts(skew=0.0)

    def _epoch(self) -> int:
        self.epochs += 1
        self.store.alive.add(self.epochs)
        return self.epochs

    def _process(self, number: int) -> Process:
        return self.processes[number % len(self.processes)]

    def _say(self, process: Process, lines: list[tuple[int, Line]], loss: str) -> list[Answer] | None:
        process.sequence += 1
        if loss == "none":
            return self.store.take(process.epoch, process.sequence, lines)
        self.has_lost = True
        if loss == "answer":
            self.store.take(process.epoch, process.sequence, lines)
        elif loss == "late":
            self.late.append((process.epoch, process.sequence, lines))
        rates.lose(process.shares[line.allowance_id] for _, line in lines)
        return []

    @rule(skew=st.floats(-2, 2))
    def a_process_starts(self, skew: float) -> None:
        if len(self.processes) < 4:
            self.processes.append(Process(self._epoch(), skew))

    @precondition(lambda self: self.processes)
    @rule(
        number=st.integers(0, 3),
        limits=st.sets(st.sampled_from(range(3)), min_size=1),
        want=st.integers(1, 60),
        least=st.integers(1, 60),
        loss=st.sampled_from(["none"] * 8 + ["question", "answer", "late"]),
    )
    def a_request_comes(self, number: int, limits: set[int], want: int, least: int, loss: str) -> None:
        process = self._process(number)
        at = self.store.now + process.skew
        chosen = [LIMITS[each] for each in sorted(limits)]
        claim = RateClaim(limits=tuple(chosen), want_tokens=want, least_tokens=min(want, least))
        path = process.path(chosen, at)
        admission = rates.admit(path, claim, at=at)
        if admission is None:
            lines = [(0, line) for line in rates.ask(path, claim, at=at, asked=set())]
            admission = self._asked(process, path, claim, lines, loss)
        if admission is not None:
            assert admission.tokens is None or claim.least_tokens <= admission.tokens <= claim.want_tokens
            process.running.append(admission)
            for share, window, amount in admission.parts:
                self.used[share.allowance_id, window] += amount

    def _asked(
        self, process: Process, path: list[Share], claim: RateClaim, lines: list[tuple[int, Line]], loss: str
    ) -> Admission | None:
        # All limits or none: the pretended database, asked limit by limit, must not be asked where one would refuse.
        if loss == "none" and process.epoch in self.store.alive and self._would_refuse(process, lines):
            lines = [(number, Line(**{**_fields(line), "need": 0, "want": 0, "slice": 0})) for number, line in lines]
        answers = self._say(process, lines, loss)
        if answers is None:
            process.begin(self._epoch())
            return None
        for answer in answers:
            share = process.shares[answer.allowance_id]
            share.receive(answer.granted or 0, window=answer.window, ends_at=answer.ends_at, left=answer.remaining)
            share.is_exact = answer.is_exact
        if not answers or not all(line.want for _, line in lines):
            return None
        granted = [answer.granted or 0 for answer in answers]
        return rates.admit_granted(path, claim, granted=granted, at=self.store.now + process.skew)

    def _would_refuse(self, process: Process, lines: list[tuple[int, Line]]) -> bool:
        """Ask a copy of the store."""
        copy = Store()
        copy.now, copy.alive = self.store.now, set(self.store.alive)
        copy.window, copy.taken = dict(self.store.window), dict(self.store.taken)
        copy.allotted, copy.used_at = dict(self.store.allotted), dict(self.store.used_at)
        answers = copy.take(process.epoch, process.sequence + 1, lines) or []
        return any(answer.granted is None for answer in answers)

    @precondition(lambda self: any(process.running for process in self.processes))
    @rule(
        number=st.integers(0, 3),
        which=st.integers(0, 50),
        tokens=st.one_of(st.none(), st.integers(0, 60)),
        was_sent=st.booleans(),
    )
    def a_request_ends(self, number: int, which: int, tokens: int | None, was_sent: bool) -> None:
        process = self._process(number)
        if not process.running:
            return
        admission = process.running.pop(which % len(process.running))
        rates.settle(admission, tokens=tokens, was_sent=was_sent)
        for share, window, amount in admission.parts:
            counts = share.limit.counts
            kept = 1 if counts is Counts.REQUESTS else amount if tokens is None else min(tokens, amount)
            self.used[share.allowance_id, window] -= amount - (kept if was_sent and share.is_windowed else 0)

    @precondition(lambda self: self.processes)
    @rule(number=st.integers(0, 3), loss=st.sampled_from(["none"] * 4 + ["question", "answer", "late"]))
    def idle_shares_go_back(self, number: int, loss: str) -> None:
        self._tend(self._process(number), loss)

    def _tend(self, process: Process, loss: str) -> None:
        at = self.store.now + process.skew
        lines = list(enumerate(line for _, line in rates.put_away(process.shares.values(), at=at)))
        answers = self._say(process, lines, loss) if lines else []
        if answers is None:
            process.begin(self._epoch())
            return
        for answer in answers:
            share = process.shares[answer.allowance_id]
            share.receive(answer.granted or 0, window=answer.window, ends_at=answer.ends_at, left=answer.remaining)

    @precondition(lambda self: self.late)
    @rule(which=st.integers(0, 10))
    def something_arrives_late(self, which: int) -> None:
        self.store.take(*self.late.pop(which % len(self.late)))

    @precondition(lambda self: self.processes)
    @rule(number=st.integers(0, 3))
    def a_process_dies(self, number: int) -> None:
        process = self._process(number)
        self.store.alive.discard(process.epoch)
        self.processes.remove(process)
        self.has_lost = True

    @precondition(lambda self: self.processes)
    @rule(number=st.integers(0, 3))
    def a_process_is_fenced(self, number: int) -> None:
        self.store.alive.discard(self._process(number).epoch)
        self.has_lost = True

    @rule(seconds=st.floats(0, 3))
    def time_passes(self, seconds: float) -> None:
        self.store.now += seconds

    @rule()
    def a_window_ends(self) -> None:
        self.store.now = self.store.now // 60 * 60 + 60

    @invariant()
    def no_window_admits_more_than_its_amount(self) -> None:
        for (allowance, window), used in self.used.items():
            if window is not None:
                assert 0 <= used <= LIMITS[allowance].amount

    @invariant()
    def what_is_in_hand_was_taken(self) -> None:
        for limit in (REQUESTS, TOKENS):
            window = _instant(self.store.window[limit.id])
            in_hand = sum(
                share.in_hand
                for process in self.processes
                if (share := process.shares.get(limit.id)) is not None and share.window == window
            )
            assert self.used[limit.id, window] + in_hand <= self.store.taken[limit.id] <= limit.amount

    @invariant()
    def living_processes_run_no_more_at_once_than_is_allowed(self) -> None:
        permits = 0
        for process in self.processes:
            share = process.shares.get(PERMITS.id)
            if share is not None and process.epoch in self.store.alive:
                assert share.in_hand >= 0 and share.in_use >= 0
                permits += share.in_hand + share.in_use
        assert permits <= PERMITS.amount

    def teardown(self) -> None:
        """Everything idle returns: what stands as taken at last is what was used."""
        if self.has_lost or not self.processes:
            return
        for process in self.processes:
            while process.running:
                for share, window, amount in (admission := process.running.pop()).parts:
                    self.used[share.allowance_id, window] -= amount
                rates.settle(admission, tokens=None, was_sent=False)
        self.store.now += rates.IDLE_SECONDS + 4
        for process in self.processes * 2:
            self._tend(process, "none")
        for limit in (REQUESTS, TOKENS):
            window = _instant(self.store.window[limit.id])
            is_over = self.store.now >= self.store.window[limit.id] + 60 - 2  # a wrong clock may think so
            assert is_over or self.store.taken[limit.id] == self.used[limit.id, window]
        assert self.store.remaining(PERMITS) == PERMITS.amount


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _fields(line: Line) -> dict[str, object]:
    return {name: getattr(line, name) for name in Line.__struct_fields__}


Worlds.TestCase.settings = settings(max_examples=100, stateful_step_count=80, deadline=None)
TestWorlds = Worlds.TestCase


def share(limit: RateLimitPolicy, *, in_hand: int = 0) -> Share:
    made = Share(limit.id, limit, at=0)
    made.receive(in_hand, window=None if limit.window is None else _instant(0), ends_at=60, left=0)
    return made


def claim(*limits: RateLimitPolicy, want: int = 100, least: int | None = None) -> RateClaim:
    return RateClaim(limits=limits, want_tokens=want, least_tokens=want if least is None else least)


def test_a_request_is_admitted_from_what_is_in_hand_by_all_limits_or_by_none() -> None:
    few, many = share(TOKENS, in_hand=99), share(REQUESTS, in_hand=5)
    assert rates.admit([many, few], claim(REQUESTS, TOKENS), at=1) is None
    assert (many.in_hand, few.in_hand) == (5, 99)
    admission = rates.admit([many, few], claim(REQUESTS, TOKENS, want=90), at=1)
    assert admission is not None and admission.tokens == 90
    assert (many.in_hand, few.in_hand) == (4, 9)


def test_a_slice_is_of_no_use_when_its_window_is_over() -> None:
    assert rates.admit([share(REQUESTS, in_hand=5)], claim(REQUESTS), at=60) is None


def test_tokens_that_were_not_used_come_back_and_requests_do_not() -> None:
    tokens, requests = share(TOKENS, in_hand=100), share(REQUESTS, in_hand=5)
    admission = rates.admit([requests, tokens], claim(REQUESTS, TOKENS), at=1)
    assert admission is not None
    rates.settle(admission, tokens=12, was_sent=True)
    assert (requests.in_hand, tokens.in_hand) == (4, 88)


@pytest.mark.parametrize(("was_sent", "left"), [(True, 0), (False, 100)])
def test_an_unknown_outcome_keeps_everything_and_an_unsent_request_nothing(was_sent: bool, left: int) -> None:
    tokens = share(TOKENS, in_hand=100)
    admission = rates.admit([tokens], claim(TOKENS), at=1)
    assert admission is not None
    rates.settle(admission, tokens=None, was_sent=was_sent)
    assert tokens.in_hand == left


def test_what_comes_back_into_another_window_lapses() -> None:
    tokens = share(TOKENS, in_hand=100)
    admission = rates.admit([tokens], claim(TOKENS), at=1)
    assert admission is not None
    tokens.receive(50, window=_instant(60), ends_at=120, left=0)
    rates.settle(admission, tokens=1, was_sent=True)
    assert tokens.in_hand == 50


def test_permits_that_nobody_missed_for_a_moment_go_back() -> None:
    permits = share(PERMITS, in_hand=4)
    assert permits.put_away(1) is None
    first = rates.admit([permits], claim(PERMITS), at=1)
    line = permits.put_away(2)
    assert first is not None and line is not None
    assert (line.keeps, permits.in_hand) == (1, 0)


def test_a_permit_that_others_may_wait_for_goes_back_at_once() -> None:
    permits = share(PERMITS, in_hand=1)
    permits.is_exact = True
    admission = rates.admit([permits], claim(PERMITS), at=1)
    assert admission is not None
    assert rates.settle(admission, tokens=None, was_sent=True)
    line = permits.put_away(1)
    assert line is not None and line.keeps == 0


def test_what_is_left_of_a_window_lapses_when_another_has_begun() -> None:
    requests = share(REQUESTS, in_hand=9)
    requests.receive(3, window=_instant(60), ends_at=120, left=0)
    assert requests.in_hand == 3


def test_a_share_is_remembered_as_long_as_a_request_that_took_from_it_runs() -> None:
    tokens = share(TOKENS, in_hand=100)
    admission = rates.admit([tokens], claim(TOKENS), at=1)
    assert admission is not None
    assert not tokens.is_over(10**6)
    rates.settle(admission, tokens=100, was_sent=True)
    assert tokens.is_over(10**6)
