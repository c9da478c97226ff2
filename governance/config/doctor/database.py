"""Checks of the database: reachable, recent, prepared, with roles that may what they should; broker and clock."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg

from governance.config.database.stamp import code_stamp, read_stamp
from governance.config.doctor.finding import Finding, bad, good, note
from governance.config.doctor.machine import is_running
from governance.config.heartbeat import BEAT, WORKER, read_heartbeats
from governance.core.database_url import LIMITED_ROLES
from governance.core.environment import DATABASE_VARIABLES, Environment, EnvironmentInvalid

_OLDEST_VERSION = 150000
_CLOCK_SECONDS = 2.0
_SILENCE = timedelta(seconds=90)
_CONNECT_SECONDS = 5


def check_database(environment: Environment) -> Iterator[Finding]:
    """Look at the database through each role's own log-in."""
    if environment.is_database_embedded and not is_running(environment):
        yield note("database", "The embedded PostgreSQL runs only while `bursar up` does.", "Run `bursar up`.")
        return
    reachable = False
    for role in LIMITED_ROLES:
        try:
            with psycopg.connect(environment.database_url(role), connect_timeout=_CONNECT_SECONDS) as session:
                yield good("database", f"It can be reached as {session.info.user}.")
                reachable = True
        except (psycopg.OperationalError, EnvironmentInvalid) as error:
            words = str(error).strip().splitlines()[-1]
            yield bad("database", f"It cannot be reached as {role}: {words}", f"Mend {DATABASE_VARIABLES[role]}.")
    if reachable:
        yield from _look_inside(environment)


def _look_inside(environment: Environment) -> Iterator[Finding]:
    try:
        with psycopg.connect(environment.database_url("console"), connect_timeout=_CONNECT_SECONDS) as session:
            yield _version(session)
            yield _clock(session)
            yield _schema(session)
            yield _broker(session, environment)
            yield from _background(session)
            yield _rights(session)
    except psycopg.Error as error:
        yield bad(
            "database", f"It could not be looked into: {error}", "Run `bursar up` so that it prepares the database."
        )


def _version(session: psycopg.Connection) -> Finding:
    version = session.info.server_version
    if version < _OLDEST_VERSION:
        return bad("database", f"It is PostgreSQL {version // 10000}.", "Use PostgreSQL 15 or later.")
    return good("database", f"PostgreSQL {version // 10000}.{version % 10000}.")


def _clock(session: psycopg.Connection) -> Finding:
    row = session.execute("SELECT clock_timestamp()").fetchone()
    theirs: datetime = row[0] if row is not None else datetime.now(UTC)
    drift = abs((datetime.now(UTC) - theirs).total_seconds())
    if drift > _CLOCK_SECONDS:
        return bad("clock", f"It is {drift:.1f} s off the database's.", "Keep both hosts' clocks by NTP.")
    return good("clock", "It agrees with the database's.")


def _schema(session: psycopg.Connection) -> Finding:
    stamp = read_stamp(session)
    if stamp is None:
        return bad("schema", "The database was never prepared.", "Run `bursar up` or `bursar prepare`.")
    if stamp.split()[0] != code_stamp():
        return bad("schema", "Another release prepared the database.", "Run `bursar up` or `bursar prepare`.")
    return good("schema", "This release prepared the database.")


def _broker(session: psycopg.Connection, environment: Environment) -> Finding:
    if environment.broker_url is not None:
        return note("broker", "Celery's messages go to CELERY_BROKER_URL; the signs of life below prove the way.")
    row = session.execute("SELECT to_regclass('pgmq.q_celery') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return bad("broker", "The queue's tables are missing.", "Run `bursar up` or `bursar prepare`.")
    return good("broker", "The queue's tables are there.")


def _background(session: psycopg.Connection) -> Iterator[Finding]:
    beats = read_heartbeats(session)
    for name in (BEAT, WORKER):
        age = datetime.now(UTC) - beats[name] if name in beats else None
        if age is None or age > _SILENCE:
            since = "never" if age is None else f"{age.total_seconds():.0f} s ago"
            yield bad(name, f"Its last sign of life was {since}.", f"Start the {name} and see its log.")
        else:
            yield good(name, "It gave a sign of life in the last 90 s.")


def _rights(session: psycopg.Connection) -> Finding:
    row = session.execute(
        "SELECT has_table_privilege('ledger_posting', 'INSERT, UPDATE, DELETE')"
        " OR has_column_privilege('connections_sealedcredential', 'ciphertext', 'SELECT')"
    ).fetchone()
    if row is not None and row[0]:
        return bad("rights", "The console's role may more than it should.", "Use the roles that `bursar up` makes.")
    return good("rights", "The console's role can neither change the books nor read credentials.")
