"""One case: where its calls go, what is measured while they run, and the figures that come of it."""

import statistics
import time
from collections.abc import Callable, Sequence

import msgspec

from tests.bench import machine
from tests.bench.database import NO_READING, DatabaseReading
from tests.bench.load import LoadOrder, LoadResult
from tests.bench.payloads import (
    CHAT_PATH,
    CHAT_REPLY,
    MESSAGES_PATH,
    STREAM_EVENTS,
    STREAM_REPLY,
    chat_body,
    holds_answer,
    holds_same_answer,
    http_request,
    messages_body,
)
from tests.bench.replies import ReplyWrong, ask, connect
from tests.bench.scene import run_load
from tests.bench.settings import EVENT_GAP_SECONDS, JSON_CONNECTIONS, STREAMS_AT_ONCE, WARM_UP_CALLS

_STREAM_SECONDS = STREAM_EVENTS * EVENT_GAP_SECONDS
# One connection is measured for this share of the time that 64 get.
_LATENCY_SHARE = 0.3


class Meters(msgspec.Struct, kw_only=True):
    """What a case reads of the processes it measures.

    `database_idle` is what the database does per second without calls; it is taken off. `settle_seconds`: how long the
    processes work on after the last reply.
    """

    processes: Callable[[], list[int]]
    database: Callable[[], DatabaseReading] | None = None
    database_idle: DatabaseReading = NO_READING
    settle_seconds: float = 0


class Round(msgspec.Struct, kw_only=True):
    """The figures of one case in one round."""

    calls: int
    requests_per_second: float
    cpu_us: float
    p50_us: float
    p99_us: float
    rss_mib: float
    database_cpu_us: float
    database_transactions: float


class Case(msgspec.Struct, kw_only=True):
    """A way to the upstream. `calls` counts every call that was made through it, also those that warm up.

    A translated one is asked in Anthropic's wire. What the reply of it, or of one that writes replies anew, must be is
    taken from the first, once that was found to hold all of the upstream's answer. `headers` are sent besides the key.
    """

    name: str
    port: int
    model: str
    is_stream: bool
    meters: Meters
    keys: tuple[str, ...] = ("bsr_" + "0" * 64,)
    is_translated: bool = False
    is_rewritten: bool = False
    headers: tuple[str, ...] = ()
    expected: bytes = b""
    calls: int = 0
    rounds: list[Round] = []

    def requests(self, *, is_slow: bool = False) -> list[bytes]:
        """Return the bytes of one call with each key."""
        make, path = (messages_body, MESSAGES_PATH) if self.is_translated else (chat_body, CHAT_PATH)
        body = make(self.model, is_stream=self.is_stream, is_slow=is_slow)
        return [http_request(self.port, key, body, path=path, headers=self.headers) for key in self.keys]

    def verify(self) -> None:
        """Make one call and compare the bytes. Raises ReplyWrong."""
        connection = connect(self.port)
        reply = ask(connection, self.requests()[0])
        connection.close()
        if self.is_translated:
            is_right = holds_answer(reply, is_stream=self.is_stream)
        elif self.is_rewritten:
            is_right = holds_same_answer(reply)
        else:
            is_right = reply == (STREAM_REPLY if self.is_stream else CHAT_REPLY)
        if not is_right:
            raise ReplyWrong(f"a reply that does not hold the upstream's answer: {reply[:600]!r}")
        self.expected = reply
        self.calls += 1

    def warm_up(self) -> None:
        """Make calls whose figures are thrown away."""
        if self.is_stream:
            self._load(kind="streams", connections=STREAMS_AT_ONCE, calls=1, ramp_seconds=_STREAM_SECONDS)
        else:
            self._load(kind="latency", calls=WARM_UP_CALLS)
            self._load(kind="throughput", connections=JSON_CONNECTIONS, seconds=0.2)

    def measure(self, seconds: float) -> None:
        """Run one round."""
        self.rounds.append(self._measure_stream(seconds) if self.is_stream else self._measure_json(seconds))

    def median(self, read: Callable[[Round], float]) -> float:
        """Return the median of one figure over the rounds."""
        return statistics.median(read(item) for item in self.rounds)

    def _load(self, **order: object) -> LoadResult:
        known = {"port": self.port, "requests": self.requests(), "expected": self.expected}
        result = run_load(msgspec.convert({**known, **order}, LoadOrder))
        self.calls += result.calls
        return result

    def _measure_json(self, seconds: float) -> Round:
        loaded = self._metered(kind="throughput", connections=JSON_CONNECTIONS, seconds=seconds)
        alone = self._load(kind="latency", seconds=seconds * _LATENCY_SHARE)
        loaded.p50_us, loaded.p99_us = _percentiles(alone.latencies_us)
        return loaded

    def _measure_stream(self, seconds: float) -> Round:
        return self._metered(kind="streams", connections=STREAMS_AT_ONCE, seconds=seconds, ramp_seconds=_STREAM_SECONDS)

    def _metered(self, **order: object) -> Round:
        meters = self.meters
        processes = meters.processes()
        before = sum(map(machine.cpu_seconds, processes))
        database_before = meters.database() if meters.database else NO_READING
        started = time.monotonic()
        result = self._load(**order)
        time.sleep(meters.settle_seconds)
        used = sum(map(machine.cpu_seconds, processes)) - before
        database_after = meters.database() if meters.database else NO_READING
        elapsed = time.monotonic() - started
        database = database_after.since(database_before, idle=meters.database_idle, seconds=elapsed)
        p50, p99 = _percentiles(result.latencies_us)
        return Round(
            calls=result.calls,
            requests_per_second=result.calls / result.seconds,
            cpu_us=used / result.calls * 1e6,
            p50_us=p50,
            p99_us=p99,
            rss_mib=machine.rss_mib(processes),
            database_cpu_us=database.cpu_seconds / result.calls * 1e6,
            database_transactions=database.transactions / result.calls,
        )


def run_rounds(cases: Sequence[Case], *, rounds: int, seconds: float, tell: Callable[[str], None]) -> None:
    """Verify every case, warm it up, then let the cases take turns."""
    for case in cases:
        case.verify()
    for case in cases:
        case.warm_up()
    for number in range(1, rounds + 1):
        for case in cases:
            tell(f"round {number} of {rounds}: {case.name}")
            case.measure(seconds)


def _percentiles(latencies_us: list[float]) -> tuple[float, float]:
    if not latencies_us:
        return 0.0, 0.0
    ordered = sorted(latencies_us)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
