"""Answers in the memory of this process, by team: the oldest go where there is no room. Pure: time is an argument."""

from collections import OrderedDict
from typing import Final

import msgspec

from governance.catalog.rating import Rated
from governance.gateway.exchange import Headers
from governance.metering.attempt import Attribution
from governance.plugin.usage import Usage
from governance.policy.caching import CachePolicy, Caching

_BESIDES: Final = 1024
"""Bytes of an answer beside its body, roughly."""


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as a client got it, whose call it was, and what that cost at list prices. Instants are monotonic."""

    headers: Headers
    body: bytes
    attribution: Attribution
    usage: Usage
    rated: Rated
    served_model: str | None
    service_tier: str
    kept_at: float

    @property
    def size(self) -> int:
        """How much room it takes."""
        return len(self.body) + _BESIDES


class _Shelf:
    """One team's answers, the least recently used first."""

    def __init__(self) -> None:
        self.answers: OrderedDict[bytes, KeptAnswer] = OrderedDict()
        self.size = 0

    def take_away(self, digest: bytes) -> int:
        gone = self.answers.pop(digest)
        self.size -= gone.size
        return gone.size

    def drop_oldest(self) -> int:
        return self.take_away(next(iter(self.answers)))


class ResponseCache:
    """All answers that this process keeps, of `most_bytes` in all; `size` is what they take."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._shelves: dict[int, _Shelf] = {}
        self.size = 0

    def find(self, team_id: int, digest: bytes, policy: CachePolicy, *, at: float) -> KeptAnswer | None:
        """Return the team's answer under this digest, unless it is too old."""
        shelf = self._shelves.get(team_id)
        if shelf is None or (answer := shelf.answers.get(digest)) is None:
            return None
        if at >= answer.kept_at + policy.ttl_seconds:
            self.size -= shelf.take_away(digest)
            return None
        shelf.answers.move_to_end(digest)
        return answer

    def keep(self, team_id: int, digest: bytes, answer: KeptAnswer, policy: CachePolicy) -> None:
        """Keep it, in the place of the team's oldest ones, or of those of the team that has the most."""
        most = min(policy.max_bytes, self._most)
        if answer.size > most:
            return
        shelf = self._shelves.setdefault(team_id, _Shelf())
        if digest in shelf.answers:
            self.size -= shelf.take_away(digest)
        while shelf.size + answer.size > most:
            self.size -= shelf.drop_oldest()
        while self.size + answer.size > self._most:
            self.size -= max(self._shelves.values(), key=lambda each: each.size).drop_oldest()
        shelf.answers[digest] = answer
        shelf.size += answer.size
        self.size += answer.size

    def obey(self, caching: Caching) -> None:
        """Forget what its team does not want to be kept any more."""
        for team_id in [team_id for team_id in self._shelves if team_id not in caching]:
            self.size -= self._shelves.pop(team_id).size
        for team_id, shelf in self._shelves.items():
            while shelf.size > caching[team_id].max_bytes:
                self.size -= shelf.drop_oldest()
