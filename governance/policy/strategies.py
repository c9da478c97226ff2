"""Bursar's own routing strategies: the request path orders with them, and a dry run says what they would do. Pure.

`weight`: by chance, in these proportions. `price`: what the request can cost at most, least first. `latency`: the
shortest wait for a first byte lately. Plugins offer others.
"""

from collections.abc import Callable, Sequence

from governance.plugin.routing import Candidate, RoutingStrategy


class ByWeight:
    """By chance: each comes first as often as its weight says, and then the next of those left in the same way."""

    name = "weight"
    title = "By chance, in proportion to the weights"

    def order(self, candidates: Sequence[Candidate], *, alias: str, chance: Callable[[], float]) -> Sequence[Candidate]:
        """See RoutingStrategy. A weight of zero makes a spare, asked when all others have failed."""
        left = [candidate for candidate in candidates if candidate.weight]
        ordered = []
        while left:
            point = chance() * sum(candidate.weight for candidate in left)
            drawn = left[-1]
            for candidate in left:
                point -= candidate.weight
                if point < 0:
                    drawn = candidate
                    break
            left.remove(drawn)
            ordered.append(drawn)
        return [*ordered, *(candidate for candidate in candidates if not candidate.weight)]


class ByPrice:
    """What the request can cost at most, least first; of equal ones as they stand."""

    name = "price"
    title = "The cheapest for the request first"

    def order(self, candidates: Sequence[Candidate], *, alias: str, chance: Callable[[], float]) -> Sequence[Candidate]:
        """See RoutingStrategy."""
        return sorted(candidates, key=lambda candidate: candidate.worst_nano)


class ByLatency:
    """The shortest wait for a first byte lately; one that nobody knows is tried."""

    name = "latency"
    title = "The quickest lately first"

    def order(self, candidates: Sequence[Candidate], *, alias: str, chance: Callable[[], float]) -> Sequence[Candidate]:
        """See RoutingStrategy."""
        return sorted(
            candidates,
            key=lambda candidate: -1.0 if candidate.latency_seconds is None else candidate.latency_seconds,
        )


OWN_STRATEGIES: tuple[RoutingStrategy, ...] = (ByWeight(), ByPrice(), ByLatency())
