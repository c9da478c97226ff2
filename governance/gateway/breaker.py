"""Circuit breakers: a deployment that keeps failing is left alone for a while, where another can answer.

A breaker only orders deployments, it never refuses a request: it is one process's own experience of a moment, and a
deployment that stands alone is tried whatever it says.

    closed     --(so many failures in a row, or a share of the results of a window)-->  open
    open       --(its pause is over)-->  half-open: one request is the probe
    half-open  --(the probe succeeds)-->  closed
    half-open  --(it fails)-->  open, for twice as long, up to a bound
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from governance.policy.snapshot import DeploymentPolicy


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """When a breaker opens, and for how long. Times in seconds."""

    failures_in_a_row: int = 5
    window_seconds: float = 30
    window_results: int = 20
    """A share says nothing of fewer results."""
    window_failed_percent: int = 50
    open_seconds: float = 5
    longest_open_seconds: float = 60


class State(StrEnum):
    """What a breaker lets through: everything, nothing, or one request as a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One deployment's. Pure: instants are arguments, in monotonic seconds."""

    __slots__ = (
        "_failed",
        "_in_a_row",
        "_opened_times",
        "_results",
        "_tolerance",
        "_until",
        "_window_ends_at",
        "state",
    )

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self.state = State.CLOSED
        self._until = 0.0
        self._opened_times = 0
        self._begin_window(0.0)
        self._in_a_row = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing speaks against the deployment, so that the breaker need not be kept."""
        return self.state is State.CLOSED and not self._failed

    def allows(self, at: float) -> bool:
        """Return whether a request may go to the deployment now. Of a half-open one the first who asks is the probe;
        if nothing is heard of it for as long as the breaker was open, there is another.
        """
        if self.state is State.CLOSED:
            return True
        if at < self._until:
            return False
        self._until = at + self._pause()
        self.probe()
        return True

    def probe(self) -> None:
        """A request goes there in any case: its answer counts, also before the pause is over."""
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN

    def fail(self, at: float) -> None:
        """An attempt failed in a way that speaks against the deployment."""
        if self.state is State.OPEN:
            return
        self._count(at, failed=1)
        self._in_a_row += 1
        if self.state is State.HALF_OPEN or self._is_too_much():
            self.state = State.OPEN
            self._opened_times += 1
            self._until = at + self._pause()

    def succeed(self, at: float) -> None:
        """An attempt got an answer. One that was sent before the breaker opened proves nothing."""
        if self.state is State.OPEN:
            return
        if self.state is State.HALF_OPEN:
            self.state = State.CLOSED
            self._opened_times = 0
            self._begin_window(at)
        self._in_a_row = 0
        self._count(at, failed=0)

    def _is_too_much(self) -> bool:
        tolerance = self._tolerance
        if self._in_a_row >= tolerance.failures_in_a_row:
            return True
        return (
            self._results >= tolerance.window_results
            and 100 * self._failed >= tolerance.window_failed_percent * self._results
        )

    def _pause(self) -> float:
        doubled = self._tolerance.open_seconds * 2.0 ** min(self._opened_times - 1, 30)
        return min(doubled, self._tolerance.longest_open_seconds)

    def _count(self, at: float, *, failed: int) -> None:
        if at >= self._window_ends_at:
            self._begin_window(at)
        self._results += 1
        self._failed += failed

    def _begin_window(self, at: float) -> None:
        self._window_ends_at = at + self._tolerance.window_seconds
        self._results = 0
        self._failed = 0


class Breakers:
    """Those of all deployments that failed lately. Mostly there are none, and then asking costs next to nothing."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._by_deployment: dict[int, Breaker] = {}

    @property
    def open_count(self) -> int:
        """How many are not closed."""
        return sum(breaker.state is not State.CLOSED for breaker in self._by_deployment.values())

    def first(self, deployments: Sequence[DeploymentPolicy], *, at: float) -> DeploymentPolicy:
        """Return the first deployment that may be asked; where all are open, the first of all, as a probe."""
        if not self._by_deployment:
            return deployments[0]
        found = self.next(deployments, at=at)
        if found is not None:
            return found
        self._by_deployment[deployments[0].id].probe()
        return deployments[0]

    def next(self, deployments: Sequence[DeploymentPolicy], *, at: float) -> DeploymentPolicy | None:
        """Return the first deployment that may be asked, or None."""
        for deployment in deployments:
            breaker = self._by_deployment.get(deployment.id)
            if breaker is None or breaker.allows(at):
                return deployment
        return None

    def is_closed(self, deployment: DeploymentPolicy) -> bool:
        """Return whether nothing keeps requests from this deployment."""
        breaker = self._by_deployment.get(deployment.id)
        return breaker is None or breaker.state is State.CLOSED

    def fail(self, deployment: DeploymentPolicy, *, at: float) -> None:
        """Count a failure of this deployment."""
        self._by_deployment.setdefault(deployment.id, Breaker(self._tolerance)).fail(at)

    def succeed(self, deployment: DeploymentPolicy, *, at: float) -> None:
        """Count an answer of this deployment."""
        breaker = self._by_deployment.get(deployment.id)
        if breaker is None:
            return
        breaker.succeed(at)
        if breaker.is_idle:
            del self._by_deployment[deployment.id]
