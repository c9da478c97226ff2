"""A vendor's bill beside the books, day by day: what it charged for each model, and what calls of that day cost."""

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import msgspec
from django.db import connection

from governance.core.money import exact_sum
from governance.ledger.bills import Bill
from governance.ledger.detached import refuse_detached

LEEWAY_NANO = Decimal(10_000_000)
"""Vendors round what they report of a day: up to a cent there is no difference."""
LATE = timedelta(days=1)
"""So long after its end a day's costs may still come in."""
UNATTRIBUTED = "(unattributed)"
LEFT_OUT = "(not in the report)"

_BOOKED = """
    SELECT (admitted_at AT TIME ZONE 'UTC')::date, coalesce(r.served_model, m.name), r.service_tier, sum(r.cost_nano)
      FROM ledger_usagerecord r
      JOIN catalog_languagemodel m ON m.id = r.model_id
     WHERE r.connection_id = %s AND admitted_at >= %s AND admitted_at < %s
     GROUP BY 1, 2, 3
"""


class BilledDay(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one day, or the whole of it (`model` is empty). `vendor_nano` is None where the report cannot have
    it, `is_final` says that nothing may come any more, and `is_apart` that the whole day differs by more than a cent.
    """

    day: date
    model: str
    vendor_nano: Decimal | None
    booked_nano: Decimal
    is_final: bool
    is_apart: bool = False


def billed_days(*, bill: Bill, connection_id: int, at: datetime) -> list[BilledDay]:
    """Put the bill of one connection's account beside what was booked for calls through it. Raises DayDetached."""
    if not bill.days:
        return []
    since = datetime.combine(min(bill.days), time(), UTC)
    until = datetime.combine(max(bill.days), time(), UTC) + timedelta(days=1)
    refuse_detached(since=since, until=until, what="This comparison")
    booked, left_out = _booked(bill, connection_id=connection_id, since=since, until=until)
    charged: dict[tuple[date, str], list[Decimal]] = defaultdict(list)
    for cost in bill.costs:
        charged[cost.day, cost.model or UNATTRIBUTED].append(cost.cost_nano)
    found = []
    for day in sorted(set(bill.days)):
        is_final = datetime.combine(day, time(), UTC) + timedelta(days=1) + LATE <= at
        rows = [
            BilledDay(
                day=day,
                model=model,
                vendor_nano=exact_sum(charged.get((day, model), [])),
                booked_nano=exact_sum(booked.get((day, model), [])),
                is_final=is_final,
            )
            for model in sorted({name for each, name in (*charged, *booked) if each == day})
        ]
        found += [_whole(day, rows, is_final=is_final), *rows]
        if day in left_out:
            found.append(
                BilledDay(
                    day=day,
                    model=LEFT_OUT,
                    vendor_nano=None,
                    booked_nano=exact_sum(left_out[day]),
                    is_final=is_final,
                )
            )
    return found


def _whole(day: date, rows: list[BilledDay], *, is_final: bool) -> BilledDay:
    vendor = exact_sum(row.vendor_nano for row in rows if row.vendor_nano is not None)
    booked = exact_sum(row.booked_nano for row in rows)
    is_apart = is_final and abs(vendor - booked) > LEEWAY_NANO
    return BilledDay(day=day, model="", vendor_nano=vendor, booked_nano=booked, is_final=is_final, is_apart=is_apart)


def _booked(
    bill: Bill, *, connection_id: int, since: datetime, until: datetime
) -> tuple[dict[tuple[date, str], list[Decimal]], dict[date, list[Decimal]]]:
    """Return what was booked by day and model, and by day what the report never holds."""
    with connection.cursor() as cursor:
        cursor.execute(_BOOKED, (connection_id, since, until))
        rows = cursor.fetchall()
    booked: dict[tuple[date, str], list[Decimal]] = defaultdict(list)
    left_out: dict[date, list[Decimal]] = defaultdict(list)
    for day, model, tier, cost in rows:
        if bill.leaves_out.isdisjoint(tier.split("+")):
            booked[day, model].append(cost)
        else:
            left_out[day].append(cost)
    return booked, left_out
