"""Sums over usage records for people: one pass over the period, every grouping at once. Amounts in nano-USD."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

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
    """A period's spend in total, by local day, and by the ids of teams, models and keys."""

    total: Sum = Sum()
    by_day: dict[date, Sum] = field(default_factory=dict)
    by_team: dict[int, Sum] = field(default_factory=dict)
    by_model: dict[int, Sum] = field(default_factory=dict)
    by_key: dict[int, Sum] = field(default_factory=dict)


_SUMS = f"""
    SELECT grouping(day, team_id, model_id, key_id), day, team_id, model_id, key_id,
           coalesce(sum(charge_nano), 0)::bigint,
           count(*) FILTER (WHERE revision = 1),
           count(*) FILTER (WHERE revision = 1 AND http_status >= 400),
           coalesce(sum(input_tokens) FILTER (WHERE revision = 1), 0)::bigint,
           coalesce(sum(output_tokens) FILTER (WHERE revision = 1), 0)::bigint
      FROM (SELECT *, (admitted_at AT TIME ZONE %(zone)s)::date AS day
              FROM ledger_usagerecord
             WHERE admitted_at >= %(since)s AND admitted_at < %(until)s AND {SQL_CONDITION}) AS record
     GROUP BY GROUPING SETS ((), (day), (team_id), (model_id), (key_id))
"""  # noqa: S608 # both parts are constants
# grouping() sets a bit for each column that is not part of the group, the first column being the highest bit.
_TOTAL, _DAY, _TEAM, _MODEL, _KEY = 0b1111, 0b0111, 0b1011, 0b1101, 0b1110


def spending(*, reach: Reach, since: datetime, until: datetime, zone: str) -> Spending:
    """Return what was spent in `[since, until)` within this reach. Days are those of the IANA zone.

    Raises DayDetached when a detached day has a part in it: its sums know neither local days nor people.
    """
    refuse_detached(since=since, until=until, what="This overview")
    values: dict[str, Any] = {"since": since, "until": until, "zone": zone, **reach.sql_values()}
    groups: dict[int, dict[object, Sum]] = {kind: {} for kind in (_TOTAL, _DAY, _TEAM, _MODEL, _KEY)}
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, values)
        for kind, day, team_id, model_id, key_id, charge, requests, failed, read, written in cursor.fetchall():
            member = {_TOTAL: None, _DAY: day, _TEAM: team_id, _MODEL: model_id, _KEY: key_id}[kind]
            groups[kind][member] = Sum(
                charge_nano=charge, requests=requests, failed=failed, input_tokens=read, output_tokens=written
            )
    return Spending(
        total=groups[_TOTAL][None],
        by_day={day: total for day, total in groups[_DAY].items() if isinstance(day, date)},
        by_team=_by_id(groups[_TEAM]),
        by_model=_by_id(groups[_MODEL]),
        by_key=_by_id(groups[_KEY]),
    )


def _by_id(group: dict[object, Sum]) -> dict[int, Sum]:
    return {member: total for member, total in group.items() if isinstance(member, int)}
