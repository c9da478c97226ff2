"""Rating again what is on the books, with the prices that the catalogue has now for the instant of admission.

A preview changes nothing. Applied, every attempt whose cost differs gets one more revision, which carries the
difference, with balanced postings that name the entry they correct, and the settled money of its budget accounts moves
by the same amount. Applied again it changes nothing, so a run that was stopped is simply started anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from uuid import UUID

import msgspec
from django.db import connection, transaction

from governance.audit.operations import Actor, record
from governance.catalog.models import Price
from governance.catalog.queries import prices, rate_tables
from governance.catalog.rating import NoPrice, Rated, RateTable, is_listed_price
from governance.core.errors import BadRequest
from governance.core.money import MAX_NANO, usd_text
from governance.ledger.rated import Place, Span, StandingAttempt, StandingLine, standing_attempts
from governance.metering.revision import Revision, revision_of
from governance.plugin.errors import UsageUnreadable
from governance.plugin.usage import TokenClass, usage_of

BATCH: Final = 1_000
"""How many attempts one transaction looks at."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What rating again changes for one team and model; `team` and `model` are names. Amounts in nano-USD."""

    team_id: int
    team: str
    model_id: int
    model: str
    attempts: int
    before_nano: int
    after_nano: int


class Rerating(msgspec.Struct, frozen=True, kw_only=True):
    """What a run looked at and what it changes, or changed.

    `examined` counts attempts; of those, `unpriced` have no price now, and what `decided` ones cost is nothing or
    somebody's word: both stay as they are. `differences` holds the attempts that change, by team and model.
    """

    examined: int
    unpriced: int
    decided: int
    differences: tuple[Difference, ...]

    @property
    def changed(self) -> int:
        """How many attempts change."""
        return sum(difference.attempts for difference in self.differences)

    @property
    def before_nano(self) -> int:
        """What the attempts that change were charged."""
        return sum(difference.before_nano for difference in self.differences)

    @property
    def after_nano(self) -> int:
        """What they are charged after it."""
        return sum(difference.after_nano for difference in self.differences)


class _Batch(msgspec.Struct, frozen=True):
    """One batch looked at: the result, what is to be written, and where the next one begins (None: that was all)."""

    result: Rerating
    revisions: list[Revision]
    next_place: Place | None


def preview_rerating(*, span: Span, batch_size: int = BATCH) -> Rerating:
    """Return what rating the span again would change. Changes nothing."""
    return _merged(batch.result for batch in _batches(span, batch_size))


def apply_rerating(*, span: Span, actor: Actor, reason: str, batch_size: int = BATCH) -> Rerating:
    """Rate the span again and book the differences, batch by batch, each with its audit event in one transaction.

    Not inside a transaction, which would hold every account of the span to its end. Raises BadRequest without a reason.
    """
    if not reason.strip():
        raise BadRequest("Say why: rating again needs a reason, which stands on its entries and in the audit trail.")
    return _merged(batch.result for batch in _batches(span, batch_size, booking=_Booking(span, actor, reason.strip())))


class _Booking:
    """Writes the revisions of a batch."""

    def __init__(self, span: Span, actor: Actor, reason: str) -> None:
        self._span = span
        self._actor = actor
        self._reason = reason

    def lock(self) -> None:
        """Keep every other writer of revisions out until the transaction ends."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT metering_lock_revisions()")

    def write(self, batch: _Batch) -> None:
        """Book the batch, with the event that says so."""
        if not batch.revisions:
            return
        text = msgspec.json.encode(batch.revisions).decode()
        with connection.cursor() as cursor:
            cursor.execute("SELECT metering_revise('rerate', %s, %s::json)", [self._reason, text])
        record(
            actor=self._actor,
            action="ledger.rerated",
            subject=f"organisation:{self._span.organisation_id}",
            before={"charge_usd": usd_text(batch.result.before_nano)},
            after={
                "charge_usd": usd_text(batch.result.after_nano),
                "attempts": batch.result.changed,
                "first_attempt": str(batch.revisions[0].attempt_id),
                "last_attempt": str(batch.revisions[-1].attempt_id),
                **{name: str(value) for name, value in msgspec.structs.asdict(self._span).items() if value is not None},
            },
            reason=self._reason,
        )


def _batches(span: Span, size: int, *, booking: _Booking | None = None) -> Iterator[_Batch]:
    place: Place | None = None
    while True:
        with transaction.atomic(durable=booking is not None):
            if booking is not None:
                booking.lock()
            batch = _examine(span, place, size)
            if booking is not None:
                booking.write(batch)
        yield batch
        if batch.next_place is None:
            return
        place = batch.next_place


def _examine(span: Span, after: Place | None, size: int) -> _Batch:
    attempts = standing_attempts(span=span, after=after, limit=size)
    catalogued = [attempt for attempt in attempts if attempt.is_catalogued]
    tables = rate_tables(model_ids={attempt.model_id for attempt in catalogued})
    rated = [(attempt, _rated(attempt, tables.get(attempt.model_id))) for attempt in catalogued]
    estimated = _with_estimated_usage(attempt for attempt in catalogued if attempt.is_estimated)
    changes = [
        (attempt, change)
        for attempt, now in rated
        if now is not None
        and (change := revision_of(attempt, now, is_usage_estimated=attempt.place.attempt_id in estimated))
    ]
    result = Rerating(
        examined=len(attempts),
        unpriced=sum(now is None for _, now in rated),
        decided=len(attempts) - len(catalogued),
        differences=tuple(_difference(attempt, change) for attempt, change in changes),
    )
    next_place = attempts[-1].place if len(attempts) == size else None
    return _Batch(_merged([result]), [change for _, change in changes], next_place)


def _rated(attempt: StandingAttempt, table: RateTable | None) -> Rated | None:
    """Rate with today's prices for the instant of admission; None where there are none, or the counts are absurd."""
    if table is None:
        return None
    try:
        usage = usage_of({token_class: line.quantity for token_class, line in attempt.lines.items()})
        rated = table.card_at(attempt.place.admitted_at).rate(usage, service_tier=attempt.service_tier)
    except (NoPrice, UsageUnreadable):
        return None
    return rated if rated.charge_nano <= MAX_NANO else None


def _with_estimated_usage(attempts: Iterable[StandingAttempt]) -> set[UUID]:
    """Return the ids of those estimated attempts whose usage was the estimate: no price was assumed for them."""
    listed = list(attempts)
    used = prices(price_ids={line.price_id for attempt in listed for line in attempt.lines.values() if line.price_id})
    return {
        attempt.place.attempt_id
        for attempt in listed
        if all(_is_listed(attempt, *line, used) for line in attempt.lines.items())
    }


def _is_listed(
    attempt: StandingAttempt, token_class: TokenClass, line: StandingLine, used: Mapping[int, Price]
) -> bool:
    if line.price_id is None:
        return not line.quantity
    price = used.get(line.price_id)
    return price is None or (
        price.service_tier == attempt.service_tier
        and is_listed_price(token_class, listed_for=TokenClass(price.token_class))
    )


def _difference(attempt: StandingAttempt, revision: Revision) -> Difference:
    return Difference(
        team_id=attempt.team_id,
        team=attempt.team,
        model_id=attempt.model_id,
        model=attempt.model,
        attempts=1,
        before_nano=attempt.charge_nano,
        after_nano=attempt.charge_nano + revision.charge_nano,
    )


def _merged(results: Iterable[Rerating]) -> Rerating:
    """Add results up: one difference for each team and model, by their names."""
    examined = unpriced = decided = 0
    found: dict[tuple[int, int], Difference] = {}
    for result in results:
        examined += result.examined
        unpriced += result.unpriced
        decided += result.decided
        for each in result.differences:
            before = found.get((each.team_id, each.model_id))
            found[each.team_id, each.model_id] = each if before is None else _sum(before, each)
    differences = sorted(found.values(), key=lambda each: (each.team, each.team_id, each.model, each.model_id))
    return Rerating(examined=examined, unpriced=unpriced, decided=decided, differences=tuple(differences))


def _sum(one: Difference, other: Difference) -> Difference:
    return msgspec.structs.replace(
        one,
        attempts=one.attempts + other.attempts,
        before_nano=one.before_nano + other.before_nano,
        after_nano=one.after_nano + other.after_nano,
    )
