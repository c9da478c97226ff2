"""Reads of one accounting month, by the month in which facts were booked (`entry.month`), not by admission.

Each function is one SQL statement, so that what it returns belongs together: facts and postings of the same instant.
For days that are detached their sums are read, which say the same.
"""

from datetime import date
from decimal import Decimal

import msgspec
from django.db import connection


class StatementFact(msgspec.Struct, frozen=True, kw_only=True):
    """What one key used of one class of one model. `cost_nano` is the exact sum.

    `is_correction`: what revisions booked in this month changed about calls of this month or an earlier one.
    """

    team_id: int
    team: str
    key_id: int
    key: str
    provider: str
    model_id: int
    model: str
    token_class: str
    is_correction: bool
    quantity: int
    cost_nano: Decimal


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """A posting on the cost centre's expense that no usage record stands behind: a credit, an allocation."""

    entry_id: int
    kind: str
    reason: str
    amount_nano: int


class CostCentreMonth(msgspec.Struct, frozen=True, kw_only=True):
    """Everything booked on one cost centre in one month. `posted_nano` is what the ledger says it adds up to."""

    facts: tuple[StatementFact, ...]
    adjustments: tuple[Adjustment, ...]
    charged_nano: int
    posted_nano: int


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """What one key spent on one model in a month."""

    team_id: int
    team: str
    key_id: int
    key: str
    model_id: int
    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    cost_nano: Decimal
    charge_nano: int


# The element appended to the parallel arrays carries the record's whole charge, so that one scan reads both.
_COST_CENTRE_MONTH = """
WITH booked AS (
    SELECT r.team_id, r.key_id, r.model_id, r.revision > 1 AS is_correction, r.classes, r.quantities, r.costs_nano,
           r.charge_nano
      FROM ledger_entry e
      JOIN ledger_usagerecord r ON r.entry_id = e.id
     WHERE e.organisation_id = %(organisation)s AND e.month = %(month)s AND r.cost_centre_id = %(cost_centre)s
    UNION ALL
    SELECT s.team_id, s.key_id, s.model_id, s.is_correction, s.classes, s.quantities, s.costs_nano, s.charge_nano
      FROM ledger_dayusagesum s
      JOIN ledger_detached_now d ON d.id = s.detachment_id
     WHERE s.organisation_id = %(organisation)s AND s.month = %(month)s AND s.cost_centre_id = %(cost_centre)s
), usage AS (
    SELECT r.team_id, r.key_id, r.model_id, line.class, r.is_correction, sum(line.quantity) AS quantity,
           sum(line.nano) AS nano
      FROM booked r
     CROSS JOIN LATERAL unnest(r.classes || ''::text, r.quantities || 0::bigint, r.costs_nano || r.charge_nano::numeric)
           AS line (class, quantity, nano)
     GROUP BY r.team_id, r.key_id, r.model_id, line.class, r.is_correction
), postings AS (
    SELECT e.id, e.kind, e.reason, sum(p.amount_nano) AS nano
      FROM ledger_entry e
      JOIN ledger_posting p ON p.entry_id = e.id
      JOIN ledger_ledgeraccount a ON a.id = p.account_id
     WHERE e.organisation_id = %(organisation)s AND e.month = %(month)s
       AND a.kind = 'cost_centre_expense' AND a.cost_centre_id = %(cost_centre)s
     GROUP BY e.id
)
SELECT 'fact', u.team_id, coalesce(t.name, ''), u.key_id, coalesce(k.name, ''), coalesce(m.provider, ''), u.model_id,
       coalesce(m.name, ''), u.class, u.is_correction, u.quantity::bigint, u.nano
  FROM usage u
  LEFT JOIN teams_team t ON t.id = u.team_id
  LEFT JOIN keys_virtualkey k ON k.id = u.key_id
  LEFT JOIN catalog_languagemodel m ON m.id = u.model_id
 WHERE u.class <> ''
UNION ALL
SELECT 'adjustment', p.id, p.kind, 0, p.reason, '', 0, '', '', false, 0, p.nano
  FROM postings p
 WHERE p.kind <> 'usage' AND NOT EXISTS (SELECT FROM ledger_usagerecord r WHERE r.entry_id = p.id)
   AND NOT EXISTS (SELECT FROM ledger_dayentrysum s JOIN ledger_detached_now d ON d.id = s.detachment_id
                    WHERE s.entry_id = p.id)
UNION ALL
SELECT 'charged', 0, '', 0, '', '', 0, '', '', false, 0, coalesce(sum(nano), 0) FROM usage WHERE class = ''
UNION ALL
SELECT 'posted', 0, '', 0, '', '', 0, '', '', false, 0, coalesce(sum(nano), 0) FROM postings
"""

_SPEND = """
SELECT r.team_id, coalesce(t.name, ''), r.key_id, coalesce(k.name, ''), r.model_id,
       coalesce(m.provider || '/' || m.name, ''),
       r.requests, r.input_tokens::bigint, r.output_tokens::bigint, r.cost_nano, r.charge_nano::bigint
  FROM (SELECT team_id, key_id, model_id, sum(requests)::bigint AS requests, sum(input_tokens) AS input_tokens,
               sum(output_tokens) AS output_tokens, sum(cost_nano) AS cost_nano, sum(charge_nano) AS charge_nano
          FROM (SELECT r.team_id, r.key_id, r.model_id, (r.revision = 1)::int AS requests, r.input_tokens,
                       r.output_tokens, r.cost_nano, r.charge_nano
                  FROM ledger_entry e
                  JOIN ledger_usagerecord r ON r.entry_id = e.id
                 WHERE e.organisation_id = %(organisation)s AND e.month = %(month)s
                UNION ALL
                SELECT s.team_id, s.key_id, s.model_id, CASE WHEN s.is_correction THEN 0 ELSE s.records END,
                       s.input_tokens, s.output_tokens, s.cost_nano, s.charge_nano
                  FROM ledger_dayusagesum s
                  JOIN ledger_detached_now d ON d.id = s.detachment_id
                 WHERE s.organisation_id = %(organisation)s AND s.month = %(month)s) booked
         GROUP BY team_id, key_id, model_id) r
  LEFT JOIN teams_team t ON t.id = r.team_id
  LEFT JOIN keys_virtualkey k ON k.id = r.key_id
  LEFT JOIN catalog_languagemodel m ON m.id = r.model_id
"""


def cost_centre_month(*, organisation_id: int, cost_centre_id: int, month: date) -> CostCentreMonth:
    """Return what was booked on a cost centre in a month, and the ledger's own total of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            _COST_CENTRE_MONTH, {"organisation": organisation_id, "cost_centre": cost_centre_id, "month": month}
        )
        rows = cursor.fetchall()
    totals = {row[0]: int(row[-1]) for row in rows if row[0] in ("charged", "posted")}
    return CostCentreMonth(
        facts=tuple(
            StatementFact(**dict(zip(StatementFact.__struct_fields__, row[1:], strict=True)))
            for row in rows
            if row[0] == "fact"
        ),
        adjustments=tuple(
            Adjustment(entry_id=row[1], kind=row[2], reason=row[4], amount_nano=int(row[-1]))
            for row in rows
            if row[0] == "adjustment"
        ),
        charged_nano=totals["charged"],
        posted_nano=totals["posted"],
    )


def spend_by_key_and_model(*, organisation_id: int, month: date) -> list[Spend]:
    """Return the month's spend, one row for each team, key and model, in no particular order."""
    with connection.cursor() as cursor:
        cursor.execute(_SPEND, {"organisation": organisation_id, "month": month})
        rows = cursor.fetchall()
    return [Spend(**dict(zip(Spend.__struct_fields__, row, strict=True))) for row in rows]


def month_expense_nano(*, organisation_id: int, month: date) -> int:
    """Return what is booked on all cost centres in a month together, in nano-USD."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(p.amount_nano), 0)::bigint
              FROM ledger_entry e
              JOIN ledger_posting p ON p.entry_id = e.id
              JOIN ledger_ledgeraccount a ON a.id = p.account_id
             WHERE e.organisation_id = %s AND e.month = %s AND a.kind = 'cost_centre_expense'
            """,
            [organisation_id, month],
        )
        (total,) = cursor.fetchone()
    return int(total)


def first_month(*, organisation_id: int) -> date | None:
    """Return the first month in which anything is booked; None where nothing is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(month) FROM ledger_entry WHERE organisation_id = %s", [organisation_id])
        (month,) = cursor.fetchone()
    return month  # type: ignore[no-any-return] # psycopg returns a date as one


def cost_centres_with_postings(*, organisation_id: int, month: date) -> list[int]:
    """Return the ids of the cost centres that anything was booked on in a month."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT a.cost_centre_id
              FROM ledger_entry e
              JOIN ledger_posting p ON p.entry_id = e.id
              JOIN ledger_ledgeraccount a ON a.id = p.account_id
             WHERE e.organisation_id = %s AND e.month = %s AND a.kind = 'cost_centre_expense'
            """,
            [organisation_id, month],
        )
        return [cost_centre_id for (cost_centre_id,) in cursor.fetchall()]
