"""Damage that no role of ours could do: rows changed past the triggers, so that a proof has something to find."""

from django.db import connection


def damage(statement: str, *arguments: object) -> None:
    """Run one statement with triggers off, inside the test's transaction."""
    with connection.cursor() as cursor:
        # What was booked so far is checked now, while it is right.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, arguments)
        cursor.execute("SET LOCAL session_replication_role = origin")
