"""One request explained: who called, what was used, at which prices, what it cost, and where that was booked."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from governance.budgets.models import Account
from governance.budgets.queries import with_limits
from governance.catalog.models import Price
from governance.core.money import EXACT, exact_sum
from governance.ledger.records import Booking, Record, booking_of, records_of_attempt
from governance.metering.queries import suspended_attempt
from governance.plugin.usage import TAKEN_OFF
from governance.prompts.queries import stored_prompt
from governance.viewing.unbooked import Unbooked, with_names
from governance.viewing.viewer import Viewer

CLASS_WORDS = {
    "input": "Input tokens",
    "cache_read": "Input tokens read from the cache",
    "cache_read_explicit": "Input tokens read from a cache that was asked for",
    "cache_write": "Input tokens written to the cache",
    "cache_write_long": "Input tokens written to the long cache",
    "input_audio": "Audio input tokens",
    "input_image": "Image input tokens",
    "output": "Output tokens",
    "reasoning": "Reasoning tokens",
    "output_audio": "Audio output tokens",
    "output_image": "Image output tokens",
    "request": "Per request",
    "web_search": "Web searches",
    "image": "Images made",
    "character": "Characters spoken",
    "audio_second": "Seconds of audio written down",
    "unknown": "What somebody knows it cost, beside the above",
    "own_account": "Not charged: paid through an own account at the vendor",
    "from_cache": "Not charged: answered from the response cache",
}


@dataclass(frozen=True, kw_only=True)
class RatedLine:
    """Quantity times price: exact. `price` is None where none was known.

    In a later revision `cost_nano` is the difference to what stood before; the quantity is the whole one, after it.
    """

    label: str
    quantity: int
    price: Price | None
    cost_nano: Decimal
    is_taken_off: bool = False


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One record of the attempt with its rated lines and where it was booked. Amounts in nano-USD.

    `total_cost_nano` and `total_charge_nano` are those of the attempt after this revision.
    """

    record: Record
    lines: list[RatedLine]
    booking: Booking | None
    total_cost_nano: Decimal
    total_charge_nano: int

    @property
    def lines_nano(self) -> Decimal:
        """The sum of the lines, computed here: it must equal the record's cost."""
        return exact_sum(line.cost_nano for line in self.lines)

    @property
    def rounded_nano(self) -> Decimal:
        """What the one rounding added to this record; a difference may have been rounded down."""
        return EXACT.subtract(Decimal(self.record.charge_nano), self.record.cost_nano)

    @property
    def adds_up(self) -> bool:
        """Whether the figures on the page agree with each other and with the entry."""
        is_booked_right = self.booking is None or self.booking.balance_nano == 0
        is_rounded_up = 0 <= EXACT.subtract(Decimal(self.total_charge_nano), self.total_cost_nano) < 1
        return self.lines_nano == self.record.cost_nano and is_rounded_up and is_booked_right


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything about one attempt. One that is wholly in suspense has no revisions; of an estimate the rest is."""

    attempt_id: UUID
    admitted_at: datetime
    revisions: list[Revision]
    accounts: list[Account]
    unbooked: Unbooked | None

    @property
    def first(self) -> Revision:
        """The revision that the gateway booked."""
        return self.revisions[0]

    @property
    def request(self) -> Record | None:
        """The record that says whose it is and which request it answered; None where nothing is booked."""
        return self.revisions[0].record if self.revisions else None

    @property
    def has_prompt(self) -> bool:
        """Whether what was asked and answered is stored."""
        return self.request is not None and stored_prompt(request_id=self.request.request_id) is not None

    @property
    def charge_nano(self) -> int:
        """What the attempt is charged after its last revision."""
        return self.revisions[-1].total_charge_nano

    @property
    def adds_up(self) -> bool:
        """Whether the figures of every revision agree."""
        return all(revision.adds_up for revision in self.revisions)


def explanation(*, viewer: Viewer, attempt_id: UUID) -> Explanation | None:
    """Return the explanation of an attempt that the viewer may see, or None."""
    records = records_of_attempt(attempt_id=attempt_id, reach=viewer.reach)
    if not records:
        return _unbooked(viewer, attempt_id)
    prices = Price.objects.select_related("book").in_bulk(
        {price_id for record in records for price_id in record.price_ids if price_id is not None}
    )
    return Explanation(
        attempt_id=attempt_id,
        admitted_at=records[0].admitted_at,
        revisions=_revisions(records, prices),
        accounts=_accounts(records[0].account_ids, records[0].admitted_at),
        unbooked=_in_suspense(viewer, attempt_id),
    )


def _unbooked(viewer: Viewer, attempt_id: UUID) -> Explanation | None:
    found = _in_suspense(viewer, attempt_id)
    if found is None:
        return None
    return Explanation(
        attempt_id=attempt_id,
        admitted_at=found.attempt.admitted_at,
        revisions=[],
        accounts=_accounts(found.attempt.account_ids, found.attempt.admitted_at),
        unbooked=found,
    )


def _in_suspense(viewer: Viewer, attempt_id: UUID) -> Unbooked | None:
    attempt = suspended_attempt(attempt_id=attempt_id, reach=viewer.reach)
    return None if attempt is None else with_names([attempt])[0]


def _revisions(records: list[Record], prices: dict[int, Price]) -> list[Revision]:
    quantities: Counter[str] = Counter()
    revisions = []
    for number, record in enumerate(records, start=1):
        quantities.update(dict(zip(record.classes, record.quantities, strict=True)))
        lines = [
            RatedLine(
                label=CLASS_WORDS.get(token_class, token_class),
                quantity=quantities[token_class],
                price=prices.get(price_id) if price_id is not None else None,
                cost_nano=cost_nano,
                is_taken_off=token_class in TAKEN_OFF,
            )
            for token_class, price_id, cost_nano in zip(
                record.classes, record.price_ids, record.costs_nano, strict=True
            )
        ]
        revisions.append(
            Revision(
                record=record,
                lines=lines,
                booking=booking_of(entry_id=record.entry_id) if record.entry_id is not None else None,
                total_cost_nano=exact_sum(each.cost_nano for each in records[:number]),
                total_charge_nano=sum(each.charge_nano for each in records[:number]),
            )
        )
    return revisions


def _accounts(ids: list[int], at: datetime) -> list[Account]:
    """Return the accounts that paid, with their limits at the instant of admission."""
    accounts = with_limits(accounts=Account.objects.filter(id__in=ids), at=at)
    return list(accounts.select_related("budget__team", "budget__unit", "budget__key", "budget__user").order_by("id"))
