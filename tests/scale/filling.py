"""An organisation with many teams, keys and budgets, and a month of usage records, written straight into the tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg

TEAMS = 40
KEYS = 2000
_CHUNK = 250_000

_OBJECTS = """
    INSERT INTO teams_team (organisation_id, unit_id, cost_centre_id, name, required_tags)
    SELECT %(organisation)s, t.unit_id, t.cost_centre_id, 'team-' || n, '{}'
      FROM generate_series(1, %(teams)s) AS n, (SELECT * FROM teams_team ORDER BY id LIMIT 1) AS t;
    INSERT INTO keys_virtualkey (organisation_id, team_id, name, default_tags)
    SELECT t.organisation_id, t.id, 'key-' || n, '{}'
      FROM generate_series(1, %(keys)s) AS n
      JOIN (SELECT *, row_number() OVER (ORDER BY id) AS place FROM teams_team) AS t ON t.place = 1 + n %% %(teams)s;
    INSERT INTO budgets_budget (organisation_id, team_id, name, limit_nano, "window", zone, enforcement, model_pattern,
                                first_month)
    SELECT organisation_id, id, 'budget of ' || name, 1000000000000, 'month', 'UTC', 'hard', '', 1 FROM teams_team;
"""
_PARTITION = """
    CREATE TABLE IF NOT EXISTS ledger_usagerecord_p{name} PARTITION OF ledger_usagerecord
       FOR VALUES FROM ('{day} 00:00+00') TO ('{day} 00:00+00'::timestamptz + interval '1 day')
"""
# Ids of version 7, as the gateway makes them: they grow with time, and so do the pages of their index.
_RECORDS = """
    INSERT INTO ledger_usagerecord (
        attempt_id, revision, admitted_at, settled_at, request_id, epoch, organisation_id, unit_id, cost_centre_id,
        team_id, key_id, model_id, deployment_id, connection_id, alias, wire, service_tier, is_stream, is_estimated,
        outcome, http_status, input_tokens, output_tokens, classes, quantities, price_ids, costs_nano, cost_nano,
        charge_nano, reserved_nano, rating_rule, account_ids, tags, total_milliseconds)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000' || '8000'
            || lpad(to_hex(%(first)s + n), 12, '0'))::uuid, 1, at, clock_timestamp(),
           (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7001' || '8000'
            || lpad(to_hex(%(first)s + n), 12, '0'))::uuid, 1, t.organisation_id, t.unit_id, t.cost_centre_id,
           t.id, k.id, d.model_id, d.id, d.connection_id, 'sandbox-1', 'openai.chat', 'standard', n %% 2 = 0, false,
           'ok', CASE WHEN n %% 200 = 0 THEN 503 ELSE 200 END, 900 + n %% 400, 200 + n %% 90, '{input,output}',
           ARRAY[900 + n %% 400, 200 + n %% 90], '{1,2}', ARRAY[1000000.5, 500000], 1500000.5, 1500001, 4000000, 1,
           '{}', '{}', 900
      FROM generate_series(1, %(count)s) AS n
     CROSS JOIN LATERAL (SELECT %(since)s + n * %(step)s AS at) AS instant
      JOIN (SELECT *, row_number() OVER (ORDER BY id) AS place FROM keys_virtualkey) AS k
        ON k.place = 1 + (n * 7919) %% %(keys)s
      JOIN teams_team t ON t.id = k.team_id
      JOIN (SELECT * FROM catalog_deployment ORDER BY id LIMIT 1) AS d ON true
"""


class Filled(msgspec.Struct, frozen=True):
    """Ids of one team and one key with many records."""

    team_id: int
    key_id: int


def fill_objects(session: psycopg.Connection) -> Filled:
    """Make teams, keys and budgets."""
    row = session.execute("SELECT id FROM teams_organisation").fetchone()
    assert row is not None
    names = {"organisation": row[0], "teams": TEAMS, "keys": KEYS}
    for statement in filter(str.strip, _OBJECTS.split(";\n")):
        session.execute(statement.encode(), names)
    found = session.execute("SELECT team_id, id FROM keys_virtualkey ORDER BY id DESC LIMIT 1").fetchone()
    assert found is not None
    return Filled(*found)


def fill_records(session: psycopg.Connection, *, rows: int, now: datetime) -> Iterator[int]:
    """Write so many records, spread over the thirty days before `now`, and yield how many there are."""
    since = now - timedelta(days=30)
    for number in range(31):
        day = (since + timedelta(days=number)).astimezone(UTC).date()
        session.execute(_PARTITION.format(name=f"{day:%Y%m%d}", day=day).encode())
    step = timedelta(days=30) / rows
    for first in range(0, rows, _CHUNK):
        count = min(_CHUNK, rows - first)
        names = {"first": first, "count": count, "since": since + step * first, "step": step, "keys": KEYS}
        session.execute(_RECORDS, names)
        yield first + count
    session.execute("ANALYZE")
