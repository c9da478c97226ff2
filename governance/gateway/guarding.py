"""Lets guards look at requests before they are priced, and at replies before they are passed on.

Every text is looked at on its own, once per guard. A guard that fails lets nothing pass. What was found is told by its
kind only: the text itself never reaches an error, a log or a metric.
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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


class Found(NamedTuple):
    """What a guard found, and the rule that has it look."""

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
        body = members.body
        if isinstance(members, Form):
            found = await self._look(len(body), lambda: self._find_in_form(members, policy.requests), exchange)
        else:
            outside = [span for name in _GOVERNING if (span := members.span(name)) is not None]
            found = await self._look(len(body), lambda: self._find(body, policy.requests, outside), exchange)
        note(found, exchange.facts)
        told = "{by.level} does not let a request hold {kinds} (guard {by.guard}): take it out and send the rest."
        _refuse(found, told)
        is_json = not isinstance(members, Form)
        return replaced(body, [each.piece for each in found], is_json=is_json) if found else body

    async def reply(self, body: bytes, guards: Sequence[AppliedGuard], exchange: Exchange) -> bytes:
        """Return a reply's body as it may be passed on. Raises GuardRefused or GuardFailed."""
        found = await self._look(len(body), lambda: self._find(body, guards, ()), exchange)
        note(found, exchange.facts)
        refuse_reply(found)
        return replaced(body, [each.piece for each in found], is_json=is_json(body)) if found else body

    async def texts(self, texts: Sequence[Text], guards: Sequence[AppliedGuard], exchange: Exchange) -> list[Found]:
        """Return what is in these texts, as bytes of their document. Raises GuardFailed."""
        size = sum([len(text.raw) for text in texts])
        return await self._look(size, lambda: self._each(guards, lambda guard: _pieces(guard, texts)), exchange)

    async def text(self, text: str, guards: Sequence[AppliedGuard], exchange: Exchange) -> list[Found]:
        """Return what is in one text, as characters of it. Raises GuardFailed."""
        find = partial(_asked, text=text, raw=b"", offsets=_same)
        return await self._look(len(text), lambda: self._each(guards, find), exchange)

    async def _look(self, size: int, find: Callable[[], list[Found]], exchange: Exchange) -> list[Found]:
        try:
            return find() if size <= _LOOK_HERE_BYTES else await asyncio.to_thread(find)
        except _GuardBroken as broken:
            _log.error("plugin_failed", request_id=str(exchange.request_id), guard=broken.guard, at=broken.at)
            exchange.facts.failed_guard = broken.guard
            raise GuardFailed(
                f"The guard {broken.guard} failed, so nothing passes: whoever administers Bursar finds the cause in "
                "its log."
            ) from None

    def _find(self, body: bytes, guards: Sequence[AppliedGuard], outside: Sequence[tuple[int, int]]) -> list[Found]:
        texts = list(texts_of(body, outside=outside)) if is_json(body) else None
        if texts is None:
            return self._each(guards, lambda guard: _plain_pieces(guard, body))
        return self._each(guards, lambda guard: _pieces(guard, texts))

    def _find_in_form(self, form: Form, guards: Sequence[AppliedGuard]) -> list[Found]:
        found: list[Found] = []
        for part in form.fields:
            if part.name not in _GOVERNING:
                text = form.body[part.start : part.end]
                inside = self._each(guards, partial(_plain_pieces, body=text))
                found += [Found(_moved(each.piece, by=part.start), each.by) for each in inside]
        return found

    def _each(self, guards: Sequence[AppliedGuard], find: Callable[[Guard], list[Piece]]) -> list[Found]:
        found: list[Found] = []
        for applied in guards:
            guard = self._guards.get(applied.guard)
            if guard is None:
                raise _GuardBroken(applied.guard, "no plugin offers it")
            found += [Found(piece, applied) for piece in find(guard)]
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
    """Refuse a stream of a wire whose events are not read for guards: what they seek may be cut in two by them.

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


def refuse_reply(found: Sequence[Found]) -> None:
    """Raise GuardRefused when any of this is not to pass."""
    _refuse(
        found,
        "The answer was withheld, because {by.level} does not let it hold {kinds} (guard {by.guard}): ask for "
        "something else. What the vendor charged for it is charged all the same.",
    )


def _refuse(found: Sequence[Found], told: str) -> None:
    blocked = [each for each in found if each.by.action is GuardAction.BLOCK]
    if blocked:
        kinds = " and ".join(sorted({each.piece.word for each in blocked}))
        raise GuardRefused(told.format(by=blocked[0].by, kinds=kinds))


def note(found: Sequence[Found], facts: Facts) -> None:
    """Count what was found, by its kind."""
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
    return _asked(guard, body.decode("latin-1"), body, _same)


def _same(raw: bytes, characters: Sequence[int]) -> list[int]:
    return list(characters)


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
