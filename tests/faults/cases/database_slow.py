"""F4: commits that take a second, accounts locked for ten, and no connection to be had."""

import time

import psycopg

from tests.faults.crowd import Crowd, Note, between, load, milliseconds, open_crowd, said
from tests.faults.spender import Spending

_CALM_SECONDS = 15.0
_TROUBLE_SECONDS = 10.0
SLOW_COMMITS = """
    CREATE FUNCTION faults_sleep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF coalesce(current_setting('faults.has_slept', true), '') <> 'yes' THEN
            PERFORM set_config('faults.has_slept', 'yes', true), pg_sleep(1);
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER faults_sleep AFTER INSERT OR UPDATE ON metering_lease
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION faults_sleep();
"""
FAST_COMMITS = "DROP TRIGGER faults_sleep ON metering_lease; DROP FUNCTION faults_sleep"


def measure() -> dict[str, object]:
    """Admission from ample leases, and on a key so small that every call asks the database."""
    with open_crowd() as crowd:
        ample = [crowd.budget(10**15) for _ in range(4)]
        exact = [*ample[:3], crowd.budget(10**8)]
        spenders = crowd.start(1, Spending(paths=[ample], callers=8, want_nano=2_000_000, pause_seconds=0.05))
        spenders += crowd.start(1, Spending(paths=[exact], callers=4, want_nano=8_000_000, pause_seconds=0.05))
        time.sleep(_CALM_SECONDS)
        spans = {name: trouble(crowd) for name, trouble in _TROUBLES.items()}
        notes = crowd.end(spenders)
        return {
            **{name: _figures(notes, ample[-1], exact[-1], *span) for name, span in spans.items()},
            "load_per_core": load(),
            "wrong": crowd.wrong(),
        }


def _slow_commits(crowd: Crowd) -> tuple[float, float]:
    crowd.world.owner.execute(SLOW_COMMITS)
    span = _wait()
    crowd.world.owner.execute(FAST_COMMITS)
    time.sleep(_TROUBLE_SECONDS / 2)
    return span


def _locked_accounts(crowd: Crowd) -> tuple[float, float]:
    with psycopg.connect(crowd.host.environment.database_url("owner")) as other:
        other.execute("SELECT 1 FROM budgets_account ORDER BY id FOR UPDATE")
        span = _wait()
        other.rollback()
    time.sleep(_TROUBLE_SECONDS / 2)
    return span


def _no_connections(crowd: Crowd) -> tuple[float, float]:
    with psycopg.connect(crowd.host.server.url(database="bursar"), autocommit=True) as superuser:
        superuser.execute("ALTER ROLE bursar_gateway CONNECTION LIMIT 0")
        superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'bursar_gateway'")
        span = _wait()
        superuser.execute("ALTER ROLE bursar_gateway CONNECTION LIMIT -1")
    time.sleep(_TROUBLE_SECONDS / 2)
    return span


def _wait() -> tuple[float, float]:
    began = time.monotonic()
    time.sleep(_TROUBLE_SECONDS)
    return began, time.monotonic()


_TROUBLES = {"commits_1_s": _slow_commits, "accounts_locked": _locked_accounts, "no_connections": _no_connections}


def _figures(notes: list[Note], ample: int, exact: int, begin: float, end: float) -> dict[str, object]:
    during = [note for note in notes if begin <= note.at < end]
    small = [note for note in during if note.budget == exact]
    return {
        "from_leases_p99_ms": milliseconds(between([n for n in during if n.budget == ample], begin, end), 99),
        "from_leases": said(note for note in during if note.budget == ample),
        "exact_longest_ms": round(1000 * max((note.seconds for note in small), default=0)),
        "exact": said(small),
    }
