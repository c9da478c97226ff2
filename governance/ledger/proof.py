"""Proves from the records that the ledger is right: every check names the rows that do not balance.

Each check is one SQL aggregate; whoever wants all of them to speak of the same instant runs them in one snapshot.
For days that are detached the sums stand that were taken of their records, proved against each other and their digest.
"""

from collections.abc import Mapping

import msgspec
from django.db import connection

MAX_FAILURES = 200
"""How many rows one check returns at most; the rest is counted."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One row that does not balance. Amounts are nano-USD as text. `check` is stable: scripts match on it."""

    check: str
    subject: str
    expected: str
    found: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found: the first failures, and how many there are in all."""

    failures: tuple[Failure, ...]
    failure_count: int


_ENTRY_UNBALANCED = """
SELECT 'entry ' || p.entry_id, 0, sum(p.amount_nano)
  FROM ledger_posting p GROUP BY p.entry_id HAVING sum(p.amount_nano) <> 0
"""

# What the records of an entry say must have been posted, beside what was. NULLs are equal to GROUP BY. Expense is
# proved entry by entry; payable and rounding for an entry and those that correct it, whose costs are rounded together.
_POSTINGS_DIFFER = """
WITH booked AS (
    SELECT r.entry_id, coalesce(e.corrects_id, r.entry_id) AS first_id, r.organisation_id, r.cost_centre_id,
           r.connection_id, r.charged, r.cost
      FROM (SELECT entry_id, organisation_id, cost_centre_id, connection_id,
                   sum(charge_nano) AS charged, sum(cost_nano) AS cost
              FROM (SELECT entry_id, organisation_id, cost_centre_id, connection_id, charge_nano, cost_nano
                      FROM ledger_usagerecord WHERE entry_id IS NOT NULL
                    UNION ALL
                    SELECT entry_id, organisation_id, cost_centre_id, connection_id, charge_nano, cost_nano
                      FROM ledger_dayentrysum s JOIN ledger_detached_now d ON d.id = s.detachment_id) facts
             GROUP BY entry_id, organisation_id, cost_centre_id, connection_id) r
      LEFT JOIN ledger_entry e ON e.id = r.entry_id
), expected AS (
    SELECT entry_id, organisation_id, 'cost_centre_expense' AS kind, cost_centre_id, NULL::bigint AS connection_id,
           charged AS nano
      FROM booked
    UNION ALL
    SELECT b.first_id, b.organisation_id, line.kind, NULL, line.connection_id, line.nano
      FROM (SELECT first_id, organisation_id, connection_id, sum(charged) AS charged, ceil(sum(cost)) AS owed
              FROM booked GROUP BY first_id, organisation_id, connection_id) b
     CROSS JOIN LATERAL (VALUES
           ('provider_payable', b.connection_id, -b.owed),
           ('rounding', NULL::bigint, b.owed - b.charged)
           ) AS line (kind, connection_id, nano)
), posted AS (
    SELECT CASE WHEN a.kind = 'cost_centre_expense' THEN e.id ELSE coalesce(e.corrects_id, e.id) END AS entry_id,
           a.organisation_id, a.kind, a.cost_centre_id, a.connection_id, p.amount_nano AS nano
      FROM ledger_posting p
      JOIN ledger_entry e ON e.id = p.entry_id
      JOIN ledger_ledgeraccount a ON a.id = p.account_id
     WHERE e.kind IN ('usage', 'rerate') OR EXISTS (SELECT FROM ledger_usagerecord r WHERE r.entry_id = e.id)
        OR EXISTS (SELECT FROM ledger_dayentrysum s JOIN ledger_detached_now d ON d.id = s.detachment_id
                    WHERE s.entry_id = e.id)
)
SELECT concat_ws(', ', 'entry ' || entry_id, 'organisation ' || organisation_id, kind,
                 'cost centre ' || cost_centre_id, 'connection ' || connection_id),
       sum(expected), sum(found)
  FROM (SELECT entry_id, organisation_id, kind, cost_centre_id, connection_id, nano AS expected, 0 AS found
          FROM expected
        UNION ALL
        SELECT entry_id, organisation_id, kind, cost_centre_id, connection_id, 0, nano FROM posted) sides
 GROUP BY entry_id, organisation_id, kind, cost_centre_id, connection_id
HAVING sum(expected) <> sum(found)
"""

_RECORD_WITHOUT_ENTRY = """
SELECT 'attempt ' || r.attempt_id || ' revision ' || r.revision, r.charge_nano, 0
  FROM ledger_usagerecord r LEFT JOIN ledger_entry e ON e.id = r.entry_id
 WHERE e.id IS NULL
"""

_RECORD_COUNTED_TWICE = """
SELECT 'attempt ' || attempt_id || ' revision ' || revision, 1, count(*)
  FROM ledger_usagerecord GROUP BY attempt_id, revision HAVING count(*) > 1
"""

_COST_DIFFERS = """
SELECT 'attempt ' || r.attempt_id || ' revision ' || r.revision, lines.nano, r.cost_nano
  FROM ledger_usagerecord r
 CROSS JOIN LATERAL (SELECT coalesce(sum(cost), 0) AS nano FROM unnest(r.costs_nano) AS cost) lines
 WHERE lines.nano <> r.cost_nano
"""

_CHARGE_DIFFERS = """
SELECT 'attempt ' || attempt_id || ' revision ' || revision, ceil(cost_nano), charge_nano
  FROM ledger_usagerecord WHERE revision = 1 AND charge_nano <> ceil(cost_nano)
UNION ALL
SELECT 'attempt ' || r.attempt_id || ', all revisions', ceil(sum(r.cost_nano)), sum(r.charge_nano)
  FROM ledger_usagerecord r
 WHERE r.attempt_id IN (SELECT attempt_id FROM ledger_usagerecord WHERE revision > 1)
 GROUP BY r.attempt_id HAVING sum(r.charge_nano) <> ceil(sum(r.cost_nano))
"""

_REVISION_DOES_NOT_FOLLOW = """
SELECT 'attempt ' || r.attempt_id, max(r.revision), count(*)
  FROM ledger_usagerecord r
 WHERE r.attempt_id IN (SELECT attempt_id FROM ledger_usagerecord WHERE revision > 1)
 GROUP BY r.attempt_id
HAVING count(*) <> max(r.revision) OR min(r.revision) <> 1
    OR count(DISTINCT (r.organisation_id, r.cost_centre_id, r.connection_id, r.account_ids, r.admitted_at)) <> 1
"""

_REVISION_CORRECTS_ANOTHER = """
SELECT 'attempt ' || r.attempt_id || ' revision ' || r.revision, first.entry_id, e.corrects_id
  FROM ledger_usagerecord r
  JOIN ledger_usagerecord first
    ON first.attempt_id = r.attempt_id AND first.admitted_at = r.admitted_at AND first.revision = 1
  JOIN ledger_entry e ON e.id = r.entry_id
 WHERE r.revision > 1 AND e.corrects_id IS DISTINCT FROM first.entry_id
"""

_DETACHED_ALTERED = """
SELECT 'detached day ' || d.day, d.digest, ledger_digest_of_day(d.id)
  FROM ledger_detached_now d WHERE d.digest <> ledger_digest_of_day(d.id)
"""

# What reports add up of a detached day, beside what its entries hold and how many records it had.
_DETACHED_DISAGREE = """
WITH usage AS (
    SELECT detachment_id, organisation_id, cost_centre_id, month, sum(records) AS records, sum(charge_nano) AS charged,
           sum(cost_nano) AS cost
      FROM ledger_dayusagesum GROUP BY detachment_id, organisation_id, cost_centre_id, month
), booked AS (
    SELECT s.detachment_id, s.organisation_id, s.cost_centre_id, e.month, sum(s.records) AS records,
           sum(s.charge_nano) AS charged, sum(s.cost_nano) AS cost
      FROM ledger_dayentrysum s LEFT JOIN ledger_entry e ON e.id = s.entry_id
     GROUP BY s.detachment_id, s.organisation_id, s.cost_centre_id, e.month
)
SELECT concat_ws(', ', 'detached day ' || d.day, 'organisation ' || organisation_id, 'cost centre ' || cost_centre_id,
                 to_char(month, 'YYYY-MM')),
       concat_ws(' ', b.records, trim_scale(b.charged), trim_scale(b.cost)),
       concat_ws(' ', u.records, trim_scale(u.charged), trim_scale(u.cost))
  FROM booked b FULL JOIN usage u USING (detachment_id, organisation_id, cost_centre_id, month)
  JOIN ledger_detached_now d ON d.id = detachment_id
 WHERE (b.records, b.charged, b.cost) IS DISTINCT FROM (u.records, u.charged, u.cost)
UNION ALL
SELECT 'detached day ' || d.day, d.records::text, coalesce(sum(s.records), 0)::text
  FROM ledger_detached_now d LEFT JOIN ledger_dayentrysum s ON s.detachment_id = d.id
 GROUP BY d.id, d.day, d.records HAVING d.records <> coalesce(sum(s.records), 0)
"""

CHECKS = {
    "entry_unbalanced": _ENTRY_UNBALANCED,
    "postings_differ_from_records": _POSTINGS_DIFFER,
    "record_without_entry": _RECORD_WITHOUT_ENTRY,
    "record_counted_twice": _RECORD_COUNTED_TWICE,
    "cost_differs_from_its_lines": _COST_DIFFERS,
    "charge_is_not_the_ceiling_of_its_cost": _CHARGE_DIFFERS,
    "revision_does_not_follow": _REVISION_DOES_NOT_FOLLOW,
    "revision_corrects_another_entry": _REVISION_CORRECTS_ANOTHER,
    "detached_day_was_altered": _DETACHED_ALTERED,
    "detached_day_does_not_add_up": _DETACHED_DISAGREE,
}


def run_checks(checks: Mapping[str, str]) -> Finding:
    """Run checks, each a SELECT of (subject, expected, found) that returns only rows that do not balance."""
    failures: list[Failure] = []
    total = 0
    with connection.cursor() as cursor:
        for name, rows_that_fail in checks.items():
            cursor.execute(
                f"SELECT f.*, count(*) OVER () FROM ({rows_that_fail}) f ORDER BY 1 LIMIT {MAX_FAILURES}"  # noqa: S608
            )
            rows = cursor.fetchall()
            total += rows[0][3] if rows else 0
            failures += [
                Failure(check=name, subject=subject, expected=str(expected), found=str(found))
                for subject, expected, found, _ in rows
            ]
    return Finding(failures=tuple(failures), failure_count=total)


def keep_days_in_place() -> None:
    """Let no day be detached or attached until the transaction ends. For one with a single snapshot, before its first
    read: where a day lies is not part of a snapshot, and records or sums of it would be missed.
    """
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE ledger_usagerecord IN ACCESS SHARE MODE")


def prove_ledger() -> Finding:
    """Check that entries balance, postings follow from records, and records are rated and counted right."""
    return run_checks(CHECKS)


def count_facts() -> tuple[int, int]:
    """Return how many usage records and entries there are, with the records of detached days."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM ledger_usagerecord)"
            " + (SELECT coalesce(sum(records), 0) FROM ledger_detached_now)::bigint,"
            " (SELECT count(*) FROM ledger_entry)"
        )
        records, entries = cursor.fetchone()
    return records, entries
