"""Lets guards look at requests before they are priced, and at whole replies before they are passed on.

Every text is looked at on its own, once per guard. A guard that fails lets nothing pass. What was found is told by its
kind only: the text itself never reaches an error, a log or a metric.
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import structlog

from governance.gateway.errors import GuardFailed, GuardRefused
from governance.gateway.exchange import Exchange, Facts
from governance.gateway.texts import Piece, Text, byte_offsets, decoded, is_json, replaced, texts_of
from governance.plugin.errors import RequestInvalid
from governance.plugin.forms import Form
from governance.plugin.guards import MAX_KIND_CHARACTERS, Finding, Guard
from governance.plugin.splicing import Members
from governance.policy.guards import AppliedGuard, GuardAction, GuardPolicy

_log = structlog.get_logger("bursar.gateway")

_LOOK_HERE_BYTES = 16 * 1024
"""What is longer is looked at in a thread, so that other requests go on meanwhile."""
_GOVERNING = ("model", "service_tier", "serviceTier")
"""Words for Bursar and the vendor, not for the model: they decide what a request costs and stay as they are."""


class _GuardBroken(Exception):
    """A guard raised, or said what cannot be. `at` is where, without what it was about."""

    def __init__(self, guard: str, at: str) -> None:
        super().__init__(guard)
        self.guard = guard
        self.at = at


class _Found(NamedTuple):
    piece: Piece
    by: AppliedGuard


_Offsets: TypeAlias = Callable[[bytes, Sequence[int]], list[int]]


class Guards:
    """The guards that plugins offer, at work for the rules of a key."""

    def __init__(self, guards: Mapping[str, Guard]) -> None:
        self._guards = guards

    def add(self, guard: Guard) -> None:
        """Offer one more."""
        self._guards = {**self._guards, guard.name: guard}

    async def request(self, members: Members | Form, policy: GuardPolicy, exchange: Exchange) -> bytes:
        """Return the request's body as it may go on: the same object where nothing is masked. Of a form its texts are
        looked at, not its files.

        Raises GuardRefused or GuardFailed.
        """
        if not policy.requests:
            return members.body
        if isinstance(members, Form):
            found = await self._look_at_form(members, policy.requests, exchange)
        else:
            outside = [span for name in _GOVERNING if (span := members.span(name)) is not None]
            found = await self._look(members.body, policy.requests, outside, exchange)
        told = "{by.level} does not let a request hold {kinds} (guard {by.guard}): take it out and send the rest."
        _refuse(found, told)
        is_json = not isinstance(members, Form)
        return replaced(members.body, [each.piece for each in found], is_json=is_json) if found else members.body

    async def reply(self, body: bytes, guards: Sequence[AppliedGuard], exchange: Exchange) -> bytes:
        """Return a reply's body as it may be passed on. Raises GuardRefused or GuardFailed."""
        found = await self._look(body, guards, (), exchange)
        told = (
            "The answer was withheld, because {by.level} does not let it hold {kinds} (guard {by.guard}): ask for "
            "something else. What the vendor charged for it is charged all the same."
        )
        _refuse(found, told)
        return replaced(body, [each.piece for each in found], is_json=is_json(body)) if found else body

    async def _look_at_form(self, form: Form, guards: Sequence[AppliedGuard], exchange: Exchange) -> list[_Found]:
        found: list[_Found] = []
        for part in form.fields:
            if part.name not in _GOVERNING:
                inside = await self._look(form.body[part.start : part.end], guards, (), exchange, is_plain=True)
                found += [_Found(_moved(each.piece, by=part.start), each.by) for each in inside]
        return found

    async def _look(
        self,
        body: bytes,
        guards: Sequence[AppliedGuard],
        outside: Sequence[tuple[int, int]],
        exchange: Exchange,
        *,
        is_plain: bool = False,
    ) -> list[_Found]:
        facts = exchange.facts
        try:
            if len(body) <= _LOOK_HERE_BYTES:
                found = self._find(body, guards, outside, is_plain)
            else:
                found = await asyncio.to_thread(self._find, body, guards, outside, is_plain)
        except _GuardBroken as broken:
            _log.error("plugin_failed", request_id=str(exchange.request_id), guard=broken.guard, at=broken.at)
            facts.failed_guard = broken.guard
            raise GuardFailed(
                f"The guard {broken.guard} failed, so nothing passes: whoever administers Bursar finds the cause in "
                "its log."
            ) from None
        _note(found, facts)
        return found

    def _find(
        self, body: bytes, guards: Sequence[AppliedGuard], outside: Sequence[tuple[int, int]], is_plain: bool
    ) -> list[_Found]:
        found: list[_Found] = []
        texts = list(texts_of(body, outside=outside)) if not is_plain and is_json(body) else None
        for applied in guards:
            guard = self._guards.get(applied.guard)
            if guard is None:
                raise _GuardBroken(applied.guard, "no plugin offers it")
            pieces = _plain_pieces(guard, body) if texts is None else _pieces(guard, texts)
            found += [_Found(piece, applied) for piece in pieces]
        return found


def refuse_sound(policy: GuardPolicy) -> None:
    """Refuse to have something spoken whose text guards would have to look at: they cannot listen.

    Raises RequestInvalid.
    """
    for applied in policy.replies:
        raise RequestInvalid(
            f"Speech is not served to you, because {applied.level} has replies looked at (guard {applied.guard}), and "
            "what is spoken cannot be: whoever administers Bursar can give you a key without that rule."
        )


def refuse_stream(policy: GuardPolicy) -> None:
    """Refuse a stream whose text guards would have to look at: what they seek may be cut in two by its events.

    Raises RequestInvalid.
    """
    for applied in policy.replies:
        raise RequestInvalid(
            f"Streams are not served to you, because {applied.level} has replies looked at as a whole (guard "
            f"{applied.guard}): send the request without a stream.",
            field="stream",
        )


def refuse_jobs(policy: GuardPolicy | None) -> None:
    """Refuse a job, and results of one, where guards would have to look at the answers: they are fetched from the
    vendor as one long file. Raises RequestInvalid.
    """
    for applied in policy.replies if policy is not None else ():
        raise RequestInvalid(
            f"Batches and background replies are not served to you, because {applied.level} has replies looked at "
            f"(guard {applied.guard}): send the requests one by one, as single calls."
        )


def _moved(piece: Piece, *, by: int) -> Piece:
    return Piece(piece.start + by, piece.end + by, piece.word)


def _refuse(found: Sequence[_Found], told: str) -> None:
    blocked = [each for each in found if each.by.action is GuardAction.BLOCK]
    if blocked:
        kinds = " and ".join(sorted({each.piece.word for each in blocked}))
        raise GuardRefused(told.format(by=blocked[0].by, kinds=kinds))


def _note(found: Sequence[_Found], facts: Facts) -> None:
    if not found:
        return
    counts = dict(facts.findings)
    for piece, by in found:
        what = (by.guard, piece.word, by.action.value)
        counts[what] = counts.get(what, 0) + 1
    facts.findings = counts


def _pieces(guard: Guard, texts: Sequence[Text]) -> list[Piece]:
    """Return what the guard finds in these texts of a document. The same text, such as a role's, is looked at once."""
    known: dict[bytes, list[Piece]] = {}
    pieces: list[Piece] = []
    for start, raw in texts:
        inside = known.get(raw)
        if inside is None:
            inside = known[raw] = _asked(guard, decoded(raw), raw, byte_offsets)
        pieces += [Piece(start + piece.start, start + piece.end, piece.word) for piece in inside]
    return pieces


def _plain_pieces(guard: Guard, body: bytes) -> list[Piece]:
    """Return what the guard finds in a document that is no JSON: one text, in which a byte is a character."""
    return _asked(guard, body.decode("latin-1"), body, lambda _, characters: list(characters))


def _asked(guard: Guard, text: str, raw: bytes, offsets: _Offsets) -> list[Piece]:
    """Return what the guard finds in one text, as bytes of it. Raises _GuardBroken."""
    try:
        findings = list(guard.find(text))
        is_sound = all(_is_sound(finding, len(text)) for finding in findings)
    except Exception as error:  # noqa: BLE001 - a plugin's own fault; it closes the way for this request
        last = traceback.extract_tb(error.__traceback__)[-1]
        # Not the error's own words: they may quote the text.
        raise _GuardBroken(guard.name, f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}") from None
    if not is_sound:
        raise _GuardBroken(guard.name, "a finding outside its text, or without a printable kind")
    edges = sorted({edge for finding in findings for edge in (finding.start, finding.end)})
    at = dict(zip(edges, offsets(raw, edges), strict=True))
    return [Piece(at[finding.start], at[finding.end], finding.kind) for finding in findings]


def _is_sound(finding: Finding, length: int) -> bool:
    kind = finding.kind
    return 0 <= finding.start < finding.end <= length and 0 < len(kind) <= MAX_KIND_CHARACTERS and kind.isprintable()
