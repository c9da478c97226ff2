"""Proves that the budgets' accounts say what records, leases, durable reservations and suspense say: the balances are
only projections.
"""

from django.db import connection

from governance.ledger.proof import Finding, run_checks

_SETTLED_DIFFERS = """
SELECT 'budget account ' || coalesce(a.id, truth.account_id), coalesce(truth.nano, 0), coalesce(a.settled_nano, 0)
  FROM budgets_account a
  FULL JOIN (SELECT account_id, sum(nano) AS nano
               FROM (SELECT account_id, r.charge_nano AS nano
                       FROM ledger_usagerecord r CROSS JOIN LATERAL unnest(r.account_ids) AS account_id
                      UNION ALL
                     SELECT s.account_id, s.charge_nano
                       FROM ledger_dayaccountsum s JOIN ledger_detached_now d ON d.id = s.detachment_id) charged
              GROUP BY account_id) truth ON truth.account_id = a.id
 WHERE coalesce(a.settled_nano, 0) <> coalesce(truth.nano, 0)
"""

_HELD_DIFFERS = """
SELECT 'budget account ' || coalesce(a.id, truth.account_id), coalesce(truth.nano, 0), coalesce(a.held_nano, 0)
  FROM budgets_account a
  FULL JOIN (SELECT account_id, sum(part.nano) AS nano
               FROM (SELECT account_id, t.held_nano AS nano
                       FROM metering_attempt t CROSS JOIN LATERAL unnest(t.account_ids) AS account_id
                      UNION ALL SELECT account_id, amount_nano FROM metering_lease
                      UNION ALL
                     SELECT account_id, d.held_nano
                       FROM metering_durablereservation d CROSS JOIN LATERAL unnest(d.account_ids) AS account_id
                      WHERE d.ended_at IS NULL) part
              GROUP BY account_id) truth ON truth.account_id = a.id
 WHERE coalesce(a.held_nano, 0) <> coalesce(truth.nano, 0)
"""

_NEGATIVE = """
SELECT 'budget account ' || id, 0, least(settled_nano, held_nano, limit_nano)
  FROM budgets_account WHERE least(settled_nano, held_nano, limit_nano) < 0
UNION ALL
SELECT 'attempt ' || id, 0, held_nano FROM metering_attempt WHERE held_nano < 0
UNION ALL
SELECT 'lease ' || id, 0, amount_nano FROM metering_lease WHERE amount_nano < 0
"""

_DURABLE_DIFFERS = """
SELECT 'durable reservation ' || d.id, coalesce(sum(l.reserved_nano), 0), d.held_nano
  FROM metering_durablereservation d LEFT JOIN metering_durableline l ON l.durable_id = d.id
 GROUP BY d.id HAVING d.held_nano <> coalesce(sum(l.reserved_nano), 0)
"""

_LINE_BOOKED_AND_HELD = """
SELECT 'line ' || l.name || ' of durable reservation ' || l.durable_id, 0, l.reserved_nano
  FROM metering_durableline l
  JOIN metering_durablereservation d ON d.id = l.durable_id
 WHERE EXISTS (SELECT FROM ledger_usagerecord r WHERE r.attempt_id = l.attempt_id AND r.admitted_at = d.admitted_at)
    OR EXISTS (SELECT FROM metering_attempt t WHERE t.id = l.attempt_id)
"""

_BOOKED_AND_HELD = """
SELECT 'attempt ' || t.id, 0, t.held_nano
  FROM metering_attempt t
 WHERE EXISTS (SELECT FROM ledger_usagerecord r
                WHERE r.attempt_id = t.id AND r.revision = 1
                  -- Of an estimate the rest stays held: together they are the reservation.
                  AND NOT (r.is_estimated AND r.charge_nano + t.held_nano = r.reserved_nano))
"""

CHECKS = {
    "settled_differs_from_records": _SETTLED_DIFFERS,
    "held_differs_from_leases_and_suspense": _HELD_DIFFERS,
    "amount_is_negative": _NEGATIVE,
    "attempt_is_booked_and_still_held": _BOOKED_AND_HELD,
    "durable_reservation_differs_from_its_lines": _DURABLE_DIFFERS,
    "line_is_booked_and_still_held": _LINE_BOOKED_AND_HELD,
}


def prove_accounts() -> Finding:
    """Check settled and held money of every budget account against records, leases, durable reservations and attempts
    in suspense.
    """
    return run_checks(CHECKS)


def count_accounts() -> int:
    """Return how many budget accounts there are."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM budgets_account")
        (accounts,) = cursor.fetchone()
    return int(accounts)
