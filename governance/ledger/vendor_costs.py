"""What vendors say that calls cost, beside what the books say: a price that is wrong shows here first."""

from datetime import datetime
from decimal import Decimal

import msgspec
from django.db import connection

from governance.ledger.detached import refuse_detached
from governance.plugin.usage import TAKEN_OFF

LEEWAY_NANO = Decimal(1)
"""Vendors round the costs they report, to a tenth of a nano-USD or coarser: up to this there is no difference."""
LEEWAY_SHARE = Decimal("0.001")
"""So is one up to this share of what the vendor reports."""

# Only the first revision carries what the vendor reported; the cost that stands is the sum of all of them. What is not
# charged is booked at no cost, whatever the vendor reports.
_COMPARE = """
    SELECT c.name, m.provider || '/' || m.name, count(*), count(*) FILTER (WHERE is_apart),
           sum(ours), sum(theirs), (array_agg(attempt_id::text ORDER BY abs(ours - theirs) DESC))[1]
      FROM (SELECT *, abs(ours - theirs) > greatest(%(nano)s, theirs * %(share)s) AS is_apart
              FROM (SELECT attempt_id, connection_id, model_id, sum(cost_nano) AS ours, max(vendor_cost_nano) AS theirs
                      FROM ledger_usagerecord
                     WHERE organisation_id = %(organisation_id)s
                       AND admitted_at >= %(since)s AND admitted_at < %(until)s
                       AND NOT classes && %(taken_off)s
                     GROUP BY attempt_id, connection_id, model_id) standing
             WHERE theirs IS NOT NULL) compared
      JOIN connections_connection c ON c.id = compared.connection_id
      JOIN catalog_languagemodel m ON m.id = compared.model_id
     GROUP BY c.name, m.provider, m.name
     ORDER BY abs(sum(ours) - sum(theirs)) DESC, 1, 2
"""


class VendorCost(msgspec.Struct, frozen=True, kw_only=True):
    """One model through one connection. `cost_nano` is what the books say, `vendor_cost_nano` what the vendor reported,
    both exact nano-USD over all `calls` with a reported cost; `apart` of them differ by more than the leeway.
    `furthest` is the attempt that differs most.
    """

    connection: str
    model: str
    calls: int
    apart: int
    cost_nano: Decimal
    vendor_cost_nano: Decimal
    furthest: str


def vendor_costs(*, organisation_id: int, since: datetime, until: datetime) -> list[VendorCost]:
    """Compare the calls admitted in `[since, until)`, the largest difference first. Raises DayDetached."""
    refuse_detached(since=since, until=until, what="This comparison")
    values: dict[str, int | datetime | Decimal | list[str]] = {
        "taken_off": sorted(TAKEN_OFF),
        "organisation_id": organisation_id,
        "since": since,
        "until": until,
        "nano": LEEWAY_NANO,
        "share": LEEWAY_SHARE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COMPARE, values)
        rows = cursor.fetchall()
    return [VendorCost(**dict(zip(VendorCost.__struct_fields__, row, strict=True))) for row in rows]
