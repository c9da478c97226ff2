"""The daily partitions of usage records: which there are and how large they are."""

from datetime import date

import msgspec
from django.db import connection


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """One day (UTC) of usage records; `day` is None for the partition that takes what no other does.

    `estimated_rows` is what the database believes since it last analysed the table: None if it never did. Of a detached
    day, the partition is an empty one that stands in for it.
    """

    day: date | None
    is_detached: bool
    estimated_rows: int | None
    bytes: int


_PARTITIONS = """
SELECT name.day, d.id IS NOT NULL, nullif(c.reltuples, -1)::bigint, pg_total_relation_size(c.oid)
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 CROSS JOIN LATERAL to_date(substring(c.relname FROM '^ledger_usagerecord_p([0-9]{8})$'), 'YYYYMMDD') AS name (day)
  LEFT JOIN ledger_detached_now d ON d.day = name.day
 WHERE i.inhparent = 'ledger_usagerecord'::regclass
 ORDER BY 1 NULLS LAST
"""


def partitions() -> list[Partition]:
    """Return the partitions by day, the one for all other days last."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS)
        return [
            Partition(day=day, is_detached=is_detached, estimated_rows=rows, bytes=size)
            for day, is_detached, rows, size in cursor.fetchall()
        ]
