"""Retries stay a share of requests over a sliding window, whatever the order of things."""

from hypothesis import given
from hypothesis import strategies as st

from governance.gateway.retry_budget import FLOOR, SHARE_PERCENT, WINDOW_SECONDS, RetryBudget

STEPS = st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=200)


@given(STEPS)
def test_retries_of_the_window_never_pass_their_share_and_are_refused_only_when_they_would(
    steps: list[tuple[bool, float]],
) -> None:
    budget, at = RetryBudget(), 1000.0
    requests: list[int] = []
    retries: list[int] = []
    for is_request, seconds in steps:
        at += seconds
        begin = int(at) - WINDOW_SECONDS
        asked = sum(second > begin for second in requests)
        made = sum(second > begin for second in retries)
        if is_request:
            budget.count_request(at)
            requests.append(int(at))
        else:
            is_granted = budget.take(at)
            assert is_granted == (made + 1 <= FLOOR + asked * SHARE_PERCENT / 100)
            retries += [int(at)] * is_granted


def test_a_quiet_process_may_retry_a_few_times_and_again_when_the_window_has_passed() -> None:
    budget = RetryBudget(floor=2)
    assert [budget.take(5.0) for _ in range(3)] == [True, True, False]
    assert not budget.take(14.9)
    assert budget.take(15.0)


def test_a_pause_of_any_length_forgets_everything() -> None:
    budget = RetryBudget(floor=0)
    for _ in range(100):
        budget.count_request(1.0)
    assert budget.take(1.0)
    assert not budget.take(1e9)


def test_an_instant_before_the_last_one_counts_as_now() -> None:
    budget = RetryBudget(floor=1)
    assert budget.take(50.0)
    budget.count_request(3.0)
    assert not budget.take(20.0)
