"""Writing to the books beside the request path, which writes through metering's SQL functions."""

from django.db import connection


def make_partitions(*, days_ahead: int) -> int:
    """Make the daily partitions of usage records from today on; return how many were missing.

    A day without one loses nothing: its records go to the default partition.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_make_partitions(%s)", [days_ahead])
        (made,) = cursor.fetchone()
    return int(made)
