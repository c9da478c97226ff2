"""A breaker opens on failures, lets one probe through after its pause, and never keeps a lone deployment from work."""

from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.gateway.breaker import Breaker, Breakers, State, Tolerance
from governance.policy.snapshot import DeploymentPolicy

TOLERANCE = Tolerance()
EVENTS = st.lists(st.tuples(st.sampled_from(["fail", "succeed", "ask", "probe"]), st.floats(0, 20)), max_size=80)


def opened(at: float = 100.0) -> Breaker:
    breaker = Breaker(TOLERANCE)
    for _ in range(TOLERANCE.failures_in_a_row):
        breaker.fail(at)
    return breaker


def deployment(number: int) -> DeploymentPolicy:
    return cast(DeploymentPolicy, SimpleNamespace(id=number))


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    breaker = Breaker(TOLERANCE)
    for _ in range(4):
        breaker.fail(100.0)
    breaker.succeed(100.0)
    for _ in range(4):
        breaker.fail(100.0)
    assert breaker.allows(100.0)
    breaker.fail(100.0)
    assert not breaker.allows(100.0)


def test_a_share_of_the_results_of_a_window_opens_it() -> None:
    breaker = Breaker(TOLERANCE)
    for _ in range(9):
        breaker.fail(100.0)
        breaker.succeed(100.0)
    breaker.succeed(100.0)
    assert breaker.state is State.CLOSED
    breaker.fail(100.0)
    assert breaker.state is State.OPEN


def test_results_of_an_earlier_window_do_not_count() -> None:
    breaker = Breaker(TOLERANCE)
    for number in range(19):
        breaker.fail(100.0)
        breaker.succeed(100.0 + number * TOLERANCE.window_seconds)
    assert breaker.state is State.CLOSED


def test_after_its_pause_one_request_is_the_probe_and_closes_it() -> None:
    breaker = opened()
    assert not breaker.allows(104.9)
    assert [breaker.allows(105.0), breaker.allows(105.0)] == [True, False]
    breaker.succeed(105.5)
    assert (breaker.state, breaker.allows(105.5)) == (State.CLOSED, True)


def test_a_probe_that_fails_doubles_the_pause_up_to_a_bound() -> None:
    breaker, at, pauses = opened(), 100.0, []
    for _ in range(6):
        start = at
        while not breaker.allows(at):
            at += 1
        pauses.append(at - start)
        breaker.fail(at)
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_a_probe_nothing_is_heard_of_is_followed_by_another() -> None:
    breaker = opened()
    assert breaker.allows(105.0)
    assert not breaker.allows(109.9)
    assert breaker.allows(110.0)


def test_an_answer_to_what_was_sent_before_it_opened_does_not_close_it() -> None:
    breaker = opened()
    breaker.succeed(101.0)
    assert breaker.state is State.OPEN


@given(EVENTS)
def test_whatever_happens_it_lets_a_request_through_within_its_longest_pause(events: list[tuple[str, float]]) -> None:
    breaker, at = Breaker(TOLERANCE), 100.0
    for event, seconds in events:
        at += seconds
        if event == "fail":
            breaker.fail(at)
        elif event == "succeed":
            breaker.succeed(at)
        elif event == "probe":
            breaker.probe()
        else:
            was_closed = breaker.state is State.CLOSED
            assert breaker.allows(at) or not was_closed
    assert breaker.allows(at + TOLERANCE.longest_open_seconds)
    breaker.succeed(at + TOLERANCE.longest_open_seconds)
    assert breaker.state is State.CLOSED


def test_the_first_that_may_be_asked_is_chosen_and_the_first_of_all_when_none_may() -> None:
    breakers, both = Breakers(TOLERANCE), [deployment(1), deployment(2)]
    assert breakers.first(both, at=100.0).id == 1
    for _ in range(5):
        breakers.fail(both[0], at=100.0)
    assert breakers.first(both, at=101.0).id == 2
    assert breakers.next(both[:1], at=101.0) is None
    for _ in range(5):
        breakers.fail(both[1], at=101.0)
    assert breakers.open_count == 2
    assert breakers.first(both, at=102.0).id == 1
    breakers.succeed(both[0], at=102.0)
    assert breakers.is_closed(both[0]) and not breakers.is_closed(both[1])


@pytest.mark.parametrize("failures", [1, 4])
def test_a_deployment_that_is_well_again_is_forgotten(failures: int) -> None:
    breakers = Breakers(TOLERANCE)
    for _ in range(failures):
        breakers.fail(deployment(1), at=100.0)
    breakers.succeed(deployment(1), at=100.0)
    assert breakers._by_deployment
    breakers.succeed(deployment(1), at=100.0 + TOLERANCE.window_seconds)
    assert not breakers._by_deployment
