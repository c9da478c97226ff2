"""How far a budget can be used by many processes: what they hold must not keep the last of it from being spent."""

from tests.faults.crowd import Crowd, load, open_crowd, said
from tests.faults.spender import Spending

_USD = 10**9


def measure() -> dict[str, object]:
    """A key of 1 USD with 32 processes, and an organisation of 1,600 USD with 16."""
    with open_crowd(is_durable=False) as crowd:
        key = use_up(crowd, limit_nano=_USD, processes=32, want_nano=2_000_000)
        organisation = use_up(crowd, limit_nano=1_600 * _USD, processes=16, want_nano=_USD // 2)
        return {
            "key_1_usd_32_processes": key,
            "organisation_1600_usd_16_processes": organisation,
            "load_per_core": load(),
            "wrong": crowd.wrong(),
        }


def use_up(crowd: Crowd, *, limit_nano: int, processes: int, want_nano: int, books: int = 1) -> dict[str, object]:
    """Spend until everybody is refused for good; return how much of the limit was spent."""
    tight = crowd.budget(limit_nano)
    path = [crowd.budget(10**15), crowd.budget(10**15), crowd.budget(10**15), tight]
    spenders = crowd.start(
        processes,
        Spending(paths=[path], callers=2, want_nano=want_nano, books=books, ends_when_spent=True, pause_seconds=0.005),
    )
    notes = crowd.end(spenders, ask=False)
    settled = crowd.settled_nano(tight)
    return {"used_percent": round(100 * settled / limit_nano, 3), "answers": said(notes)}
