"""Reading what Bursar itself refused, which gateway processes add up by the hour. No money hangs on it."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from governance.ledger.reach import SQL_CONDITION, Reach


@dataclass(frozen=True, kw_only=True)
class Refused:
    """How many requests were refused for one reason, and the key that met it most often."""

    code: str
    requests: int
    key_id: int
    key: str
    team: str
    key_requests: int


_REFUSED = f"""
    SELECT code, requests, key_id, k.name, t.name, key_requests
      FROM (SELECT DISTINCT ON (code) code, (sum(key_requests) OVER (PARTITION BY code))::bigint AS requests, key_id,
                   key_requests
              FROM (SELECT code, key_id, sum(requests)::bigint AS key_requests
                      FROM metering_refusalsum
                     WHERE hour >= %(since)s AND hour < %(until)s AND {SQL_CONDITION}
                     GROUP BY code, key_id) AS by_key
             ORDER BY code, key_requests DESC, key_id) AS by_code
      JOIN keys_virtualkey k ON k.id = key_id
      JOIN teams_team t ON t.id = k.team_id
     ORDER BY requests DESC, code
"""  # noqa: S608 # the condition is a constant


def refused(*, reach: Reach, since: datetime, until: datetime) -> list[Refused]:
    """Return what was refused in the hours that begin in `[since, until)`, by the error's code, the most first."""
    with connection.cursor() as cursor:
        cursor.execute(_REFUSED, {"since": since, "until": until, **reach.sql_values()})
        return [
            Refused(code=code, requests=requests, key_id=key_id, key=key, team=team, key_requests=most)
            for code, requests, key_id, key, team, most in cursor.fetchall()
        ]
