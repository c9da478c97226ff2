"""Sums over usage records for people: one pass over the period, every grouping at once. Amounts in nano-USD.

Whole days of an organisation are read from sums that the worker keeps (sql/0005_day_sums.sql), and from the records
that were settled since: always exact, and quick while the worker runs.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from governance.ledger.detached import refuse_detached
from governance.ledger.reach import SQL_CONDITION, Reach


@dataclass(frozen=True, kw_only=True)
class Sum:
    """What a group of records adds up to. `requests` counts attempts once, whatever their revisions."""

    charge_nano: int = 0
    requests: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Spending:
    """A period's spend in total, by local day, and by the ids of teams, models, keys and connections."""

    total: Sum = Sum()
    by_day: dict[date, Sum] = field(default_factory=dict)
    by_team: dict[int, Sum] = field(default_factory=dict)
    by_model: dict[int, Sum] = field(default_factory=dict)
    by_key: dict[int, Sum] = field(default_factory=dict)
    by_connection: dict[int, Sum] = field(default_factory=dict)


_SUMS = f"""
    WITH counted AS (
        SELECT day, team_id, model_id, key_id, connection_id, charge_nano, requests, failed, input_tokens, output_tokens
          FROM ledger_daysum
         WHERE %(has_sums)s AND day >= %(first_day)s AND day < %(end_day)s AND {SQL_CONDITION}
        UNION ALL
        SELECT (admitted_at AT TIME ZONE %(zone)s)::date, team_id, model_id, key_id, connection_id, charge_nano,
               (revision = 1)::int, (revision = 1 AND http_status >= 400)::int,
               CASE WHEN revision = 1 THEN input_tokens ELSE 0 END, CASE WHEN revision = 1 THEN output_tokens ELSE 0 END
          FROM ledger_usagerecord
         WHERE admitted_at >= %(since)s AND admitted_at < %(until)s AND {SQL_CONDITION}
           AND settled_at >= CASE WHEN %(has_sums)s THEN (SELECT summed_until FROM ledger_daysumprogress)
                                  ELSE '-infinity' END
    )
    SELECT grouping(day, team_id, model_id, key_id, connection_id), day, team_id, model_id, key_id, connection_id,
           coalesce(sum(charge_nano), 0)::bigint, coalesce(sum(requests), 0)::bigint, coalesce(sum(failed), 0)::bigint,
           coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint
      FROM counted
     GROUP BY GROUPING SETS ((), (day), (team_id), (model_id), (key_id), (connection_id))
"""  # noqa: S608 # both parts are constants
# grouping() sets a bit for each column that is not part of the group, the first column being the highest bit.
_TOTAL, _DAY, _TEAM, _MODEL, _KEY, _CONNECTION = 0b11111, 0b01111, 0b10111, 0b11011, 0b11101, 0b11110


def spending(*, reach: Reach, since: datetime, until: datetime) -> Spending:
    """Return what was spent in `[since, until)` within this reach. Days are those of the organisation's zone.

    Raises DayDetached when a detached day has a part in it: its sums know neither local days nor people.
    """
    refuse_detached(since=since, until=until, what="This overview")
    groups: dict[int, dict[object, Sum]] = {kind: {} for kind in (_TOTAL, _DAY, _TEAM, _MODEL, _KEY, _CONNECTION)}
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, _values(reach, since, until))
        for kind, day, team_id, model_id, key_id, connection_id, *sums in cursor.fetchall():
            members = {_DAY: day, _TEAM: team_id, _MODEL: model_id, _KEY: key_id, _CONNECTION: connection_id}
            charge, requests, failed, read, written = sums
            groups[kind][members.get(kind)] = Sum(
                charge_nano=charge, requests=requests, failed=failed, input_tokens=read, output_tokens=written
            )
    return Spending(
        total=groups[_TOTAL][None],
        by_day={day: total for day, total in groups[_DAY].items() if isinstance(day, date)},
        by_team=_by_id(groups[_TEAM]),
        by_model=_by_id(groups[_MODEL]),
        by_key=_by_id(groups[_KEY]),
        by_connection=_by_id(groups[_CONNECTION]),
    )


def _values(reach: Reach, since: datetime, until: datetime) -> dict[str, Any]:
    """Return what the statement needs. There are sums of whole local days alone."""
    zone = ZoneInfo(reach.zone)
    begins, ends = since.astimezone(zone), until.astimezone(zone)
    return {
        "since": since,
        "until": until,
        "zone": reach.zone,
        "first_day": begins.date(),
        "end_day": ends.date(),
        "has_sums": begins.time() == ends.time() == time(0),
        **reach.sql_values(),
    }


def _by_id(group: dict[object, Sum]) -> dict[int, Sum]:
    return {member: total for member, total in group.items() if isinstance(member, int)}
