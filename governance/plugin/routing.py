"""What a routing strategy sees and says: in which order the deployments behind an alias are asked."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

FIXED_ORDER: Final = "order"
"""The routing of an alias that needs no strategy: its deployments as they stand."""
OWN_ROUTINGS: Final = frozenset({FIXED_ORDER, "weight", "price", "latency"})
"""What there is without a plugin."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment that may answer a request.

    `weight` is what the alias gives it (0: a spare). `worst_nano` is what this very request can cost there at most, in
    nano-USD. `latency_seconds` is how long this gateway process lately waited for a first byte from it, for requests of
    this kind (streamed or not): None where nobody knows and somebody should try, infinite while that is under way.
    """

    deployment_id: int
    provider: str
    model: str
    connection: str
    region: str
    weight: int
    worst_nano: int
    latency_seconds: float | None


class RoutingStrategy(Protocol):
    """Orders candidates. Stateless, or safe to share between requests; called on the path of every request: no I/O."""

    name: str
    title: str

    def order(self, candidates: Sequence[Candidate], *, alias: str, chance: Callable[[], float]) -> Sequence[Candidate]:
        """Return the candidates in the order in which they are asked; those left out are not. `chance` returns a number
        from 0 up to 1, anew each time. Where this raises, or returns none, the fixed order stands.
        """
