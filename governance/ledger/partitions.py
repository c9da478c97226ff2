"""The daily partitions of usage records: which there are and how large they are."""

from datetime import date

import msgspec
from django.db import connection


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """One day (UTC) of usage records; `day` is None for the partition that takes what no other does.

    `estimated_rows` is what the database believes since it last analysed the table: None if it never did.
    """

    day: date | None
    estimated_rows: int | None
    bytes: int


_PARTITIONS = """
SELECT to_date(substring(c.relname FROM '^ledger_usagerecord_p([0-9]{8})$'), 'YYYYMMDD'),
       nullif(c.reltuples, -1)::bigint, pg_total_relation_size(c.oid)
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'ledger_usagerecord'::regclass
 ORDER BY 1 NULLS LAST
"""


def partitions() -> list[Partition]:
    """Return the partitions by day, the one for all other days last."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS)
        return [Partition(day=day, estimated_rows=rows, bytes=size) for day, rows, size in cursor.fetchall()]
