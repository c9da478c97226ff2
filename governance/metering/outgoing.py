"""Outcomes on their way from a process to the books: told to the journal first, then booked in batches."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import structlog

from governance.metering import leases
from governance.metering.attempt import Ending, Outcome
from governance.metering.bank import Batch
from governance.metering.journal import RESULT, SHRUNK, Journal, JournalFull
from governance.metering.leases import Lease, LeasesInHand
from governance.metering.recent import Recent, Told
from governance.metering.reservation import Reservation
from governance.metering.texts import (
    batch_text,
    booking_text,
    estimated_text,
    fact_text,
    outcome_text,
    rest_text,
    suspense_text,
)

FLUSH_EVENTS: Final = 200
LARGEST_BATCH: Final = 1000
UNBOOKABLE: Final = "outcome_unbookable"

log = structlog.get_logger("metering")


class _Event(NamedTuple):
    """An outcome to be booked: what stands for it in each lease of its path, and what it used up of that.

    Of an estimate `text` is the part that is settled, and `rest_nano` of the reservation stay held, for `rest_text`.
    """

    reservation: Reservation
    path: Sequence[Lease]
    text: bytes
    leased: int
    used: int
    rest_text: bytes = b""
    rest_nano: int = 0

    @property
    def is_late(self) -> bool:
        """Whether its epoch was given up."""
        return self.reservation.is_late

    @property
    def row(self) -> bytes:
        """As `metering_book` takes it: one element, or two of one attempt, which are booked together."""
        amount, rest = self.reservation.amount, self.rest_nano
        if self.is_late:
            return fact_text(self.reservation.text, self.text, reserved_nano=amount)
        row = booking_text(self.reservation.text, self.text, reserved_nano=amount, leased_nano=self.leased - rest)
        if not rest:
            return row
        other = booking_text(self.reservation.text, self.rest_text, reserved_nano=rest, leased_nano=rest)
        return row + b"," + other

    @property
    def told(self) -> Told:
        """What is kept of it when it is booked. An estimate that the books lose is held whole."""
        reservation = self.reservation
        return Told(reservation.hold.attempt_id, reservation.text, self.rest_text or self.text, reservation.amount)


class _Untold(NamedTuple):
    """A record that the journal could not take, and the money that is withheld until it does."""

    kind: bytes
    attempt_id: UUID
    text: bytes
    path: Sequence[Lease]
    withheld: int
    is_last: bool


class _Sending(NamedTuple):
    """A batch whose booking is not confirmed yet. It is sent again unchanged, under the same sequence."""

    batch: Batch
    events: list[_Event]
    returned: list[tuple[Lease, int]]


class Outgoing:
    """What the books do not know yet, and what they know only since a moment ago (`recent`)."""

    def __init__(self, in_hand: LeasesInHand, journal: Journal) -> None:
        self._in_hand = in_hand
        self._journal = journal
        self._queue: list[_Event] = []
        self._untold: list[_Untold] = []
        self._sending: _Sending | None = None
        self._sequence = 0
        self._singly = 0
        self.recent = Recent()

    def __len__(self) -> int:
        return len(self._queue) + (len(self._sending.events) if self._sending else 0)

    @property
    def is_pressing(self) -> bool:
        """Whether what waits should be sent at once: it is enough for a batch, or is sent one by one."""
        return len(self._queue) >= FLUSH_EVENTS or self._singly > 0

    def end(self, reservation: Reservation, outcome: Outcome, *, at: float) -> None:
        """End a reservation: its money moves at once, its outcome goes to the journal and to the next batch."""
        path, reserved = reservation.path, reservation.amount
        if outcome.ending is Ending.ESTIMATED:
            self._end_estimated(reservation, outcome, at=at)
            return
        if outcome.ending is Ending.RELEASED:
            leases.release(path, reserved)
            used = 0
        elif outcome.ending is Ending.SUSPENSE:
            leases.suspend(path, reserved)
            used = reserved
        else:
            used = leases.settle(
                path, reserved=reserved, charge=outcome.rated.charge_nano if outcome.rated else 0, at=at
            )
        text = outcome_text(outcome)
        self._tell(RESULT, reservation, text, free=reserved - used, is_last=outcome.ending is Ending.RELEASED)
        if outcome.ending is not Ending.RELEASED:
            self._queue.append(_event(reservation, text, used=used))

    def _end_estimated(self, reservation: Reservation, outcome: Outcome, *, at: float) -> None:
        """Let all of the reservation leave the leases: the estimate is settled, and the rest stays held in suspense."""
        reserved = reservation.amount
        charge = outcome.rated.charge_nano if outcome.rated else 0
        if reservation.is_late or not 0 < charge < reserved:
            # There is no rest that a lease has for it: nothing is proved, so nothing is split.
            unknown = Outcome(ending=Ending.SUSPENSE, reason=outcome.reason, http_status=outcome.http_status)
            self.end(reservation, unknown, at=at)
            return
        leases.estimate(reservation.path, reserved=reserved, charge=charge, at=at)
        text = outcome_text(outcome)
        self._tell(RESULT, reservation, estimated_text(text, rest_nano=reserved - charge), free=0, is_last=False)
        self._queue.append(
            _event(reservation, text, used=reserved)._replace(
                rest_text=rest_text(outcome.reason), rest_nano=reserved - charge
            )
        )

    def shrink(self, reservation: Reservation, amount: int) -> None:
        """Lower a reservation to what the attempt can still cost; it never grows."""
        freed = reservation.amount - amount
        if freed <= 0 or reservation.is_late:
            return
        reservation.amount = amount
        leases.release(reservation.path, freed)
        self._tell(SHRUNK, reservation, b"%d" % amount, free=freed, is_last=False)

    def next_batch(self, *, at: float, is_due: bool) -> Batch | None:
        """Return the batch to send: the unconfirmed one again, or a new one; None when there is nothing to say.

        `is_due`: an empty batch is worth sending too, as a sign of life.
        """
        if self._sending is not None:
            return self._sending.batch
        self._retell()
        events = self._queue[: 1 if self._singly else LARGEST_BATCH]
        returned = leases.take_surplus(self._in_hand, at=at)
        if not (events or returned or is_due):
            return None
        del self._queue[: len(events)]
        self._send(events, returned)
        return self._sending.batch if self._sending else None

    def confirm(self, *, at: float) -> None:
        """The books have the batch."""
        if self._sending is None:
            return
        self._sequence = self._sending.batch.sequence
        leases.confirm_return(self._sending.returned)
        for event in self._sending.events:
            leases.confirm_booked(event.path, event.used)
            self.recent.add(event.told, at=at)
        for attempt_id in self.recent.drop_old(at=at):
            self._journal.forget(attempt_id)
        self._singly = max(0, self._singly - len(self._sending.events))
        self._sending = None
        try:
            self._journal.tidy()
        except JournalFull as error:
            log.warning("journal_not_tidied", reason=str(error))

    def refuse(self, reason: str) -> None:
        """The books cannot take the batch as it is: send its outcomes one by one, and one that is alone as suspense."""
        sending, self._sending = self._sending, None
        if sending is None:
            return
        events = sending.events
        self._singly = max(self._singly, len(events))
        if len(events) == 1:
            log.error("outcome_unbookable", attempt_id=str(events[0].reservation.hold.attempt_id), reason=reason)
            events = [self._as_suspense(events[0])]
        leases.undo_return(sending.returned)
        self._queue = events + self._queue

    def is_confirmed_by(self, last_sequence: int) -> bool:
        """Return whether the unconfirmed batch was booked after all."""
        return self._sending is not None and self._sending.batch.sequence <= last_sequence

    def begin_epoch(self) -> None:
        """Count flushes anew. What is unconfirmed goes under the new epoch's first sequence."""
        self._sequence = 0
        if self._sending is not None:
            sending, self._sending = self._sending, None
            self._send(sending.events, sending.returned)

    def come_late(self, journal: Journal) -> None:
        """The epoch was given up, and its leases are gone: everything unbooked is booked as facts.

        The new epoch's journal begins empty: what the old one says is held by the epoch that was given up.
        """
        self._journal = journal
        events = (self._sending.events if self._sending else []) + self._queue
        self._sending = None
        self._untold = []
        self._queue = []
        for event in events:
            event.reservation.come_late()
            self._queue.append(_event(event.reservation, event.rest_text or event.text, used=0))

    def _send(self, events: list[_Event], returned: list[tuple[Lease, int]]) -> None:
        account_ids = {number for event in events for number in event.reservation.hold.account_ids}
        batch = Batch(
            sequence=self._sequence + 1,
            account_ids=sorted(account_ids | {lease.account_id for lease, _ in returned}),
            outcomes=batch_text(event.row for event in events if not event.is_late),
            returned=[(lease.account_id, nano) for lease, nano in returned],
            late=batch_text(event.row for event in events if event.is_late),
        )
        self._sending = _Sending(batch, events, returned)

    def _tell(self, kind: bytes, reservation: Reservation, text: bytes, *, free: int, is_last: bool) -> None:
        """Tell the journal; what it was not told must not be lent again, or a crash now would find it lent twice."""
        attempt_id = reservation.hold.attempt_id
        try:
            self._journal.tell(kind, attempt_id, text)
        except JournalFull as error:
            log.error("journal_full", attempt_id=str(attempt_id), reason=str(error))
            leases.withhold(reservation.path, free)
            self._untold.append(_Untold(kind, attempt_id, text, reservation.path, free, is_last))
        else:
            if is_last:
                self._journal.forget(attempt_id)

    def _as_suspense(self, event: _Event) -> _Event:
        """What the outcome used up of the leases goes to suspense; the rest may be lent again already: held anew."""
        unknown = suspense_text(UNBOOKABLE, leased_nano=event.used)
        self._tell(RESULT, event.reservation, unknown, free=0, is_last=False)
        return event._replace(text=unknown, leased=event.used, rest_text=b"", rest_nano=0)

    def _retell(self) -> None:
        """Tell the journal what it could not take before."""
        while self._untold:
            untold = self._untold[0]
            try:
                if self._journal.knows(untold.attempt_id):
                    self._journal.tell(untold.kind, untold.attempt_id, untold.text)
            except JournalFull:
                return
            leases.release(untold.path, untold.withheld)
            if untold.is_last:
                self._journal.forget(untold.attempt_id)
            del self._untold[0]


def _event(reservation: Reservation, text: bytes, *, used: int) -> _Event:
    if reservation.is_late:
        return _Event(reservation, (), text, leased=0, used=0)
    return _Event(reservation, reservation.path, text, leased=reservation.amount, used=used)
