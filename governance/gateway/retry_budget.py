"""How many retries a process may add to what its clients ask: a share of the requests, so that a storm stays small.

After the retry budgets of Finagle and Envoy: when a vendor fails for everybody, limits per request multiply the load
that makes it fail; a budget over all requests does not.
"""

from typing import Final

WINDOW_SECONDS: Final = 10
SHARE_PERCENT: Final = 10
FLOOR: Final = 5
"""So many retries a window are allowed whatever the number of requests: a quiet process may retry too."""


class RetryBudget:
    """Counts requests and retries of the last seconds, the one that is running included. Instants are monotonic
    seconds.
    """

    def __init__(
        self, *, share_percent: int = SHARE_PERCENT, floor: int = FLOOR, window_seconds: int = WINDOW_SECONDS
    ) -> None:
        self._share_percent = share_percent
        self._floor = floor
        self._second = 0
        self._requests = [0] * window_seconds
        self._retries = [0] * window_seconds

    def count_request(self, at: float) -> None:
        """A client asked for something."""
        second = int(at)
        if second != self._second:
            self._turn(second)
        self._requests[self._second % len(self._requests)] += 1

    def take(self, at: float) -> bool:
        """Take one retry out of the budget; False when there is none left."""
        self._turn(int(at))
        if 100 * (sum(self._retries) + 1 - self._floor) > self._share_percent * sum(self._requests):
            return False
        self._retries[self._second % len(self._retries)] += 1
        return True

    def _turn(self, second: int) -> None:
        """Forget the seconds that left the window. An instant before the last one counts as the last one's."""
        size = len(self._requests)
        for passed in range(max(self._second + 1, second - size + 1), second + 1):
            self._requests[passed % size] = self._retries[passed % size] = 0
        self._second = max(self._second, second)
