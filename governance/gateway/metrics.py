"""What operators see, counted in plain numbers on the request path and told for all processes of a home together.

Every process writes its numbers to a file once a second; whichever is asked adds them all up. Counters of processes
that have ended stay in the sum, so that a restart is no drop; their gauges do not.
"""

import asyncio
import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from governance.plugin.usage import Usage

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
_WRITE_SECONDS = 1.0
_SILENT_SECONDS = 10.0
"""A process whose numbers are older than this serves no more."""

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "bursar_requests": ("Requests, by route and status.", ("route", "status")),
    "bursar_refusals": ("Requests that Bursar itself refused, by error code.", ("code",)),
    "bursar_rate_refusals": ("Requests that a rate limit refused, by what it counts.", ("counts",)),
    "bursar_attempts": ("Attempts at vendors, by what was booked.", ("ending", "reason")),
    "bursar_retries": ("Further attempts for requests whose one before failed, by kind and why.", ("kind", "reason")),
    "bursar_guard_findings": ("What guards found, by guard, kind and what became of it.", ("guard", "kind", "action")),
    "bursar_guard_failures": ("Requests that did not pass because a guard failed, by guard.", ("guard",)),
    "bursar_cache_lookups": ("Requests of teams that keep answers, by whether one was there.", ("result",)),
    "bursar_prompts": ("Requests of teams that store them, by what became of the copy.", ("result",)),
    "bursar_tokens": ("Tokens that vendors reported.", ("kind",)),
    "bursar_cost_nano_usd": ("Money charged, in nano-USD.", ()),
}
GAUGES: Mapping[str, str] = {
    "bursar_requests_in_flight": "Requests being served.",
    "bursar_reservations_open": "Attempts whose money is held.",
    "bursar_outcomes_pending": "Outcomes on their way to the database.",
    "bursar_leases": "Budget accounts that have leased money to gateway processes.",
    "bursar_leased_nano_usd": "Money leased to gateway processes, in nano-USD, summed over accounts.",
    "bursar_leased_idle_nano_usd": "Leased money that no request holds, in nano-USD, summed over accounts.",
    "bursar_journal_bytes": "Size of the gateway processes' journals.",
    "bursar_cache_bytes": "Answers that are kept for the same request again, in bytes.",
    "bursar_breaker_open": "Deployments that are left alone because they kept failing, summed over processes.",
    "bursar_processes": "Gateway processes that serve.",
}
OLDEST: Mapping[str, str] = {
    "bursar_policy_age_seconds": "Age of the oldest policy snapshot in use.",
}
HISTOGRAMS: Mapping[str, str] = {
    "bursar_added_seconds": "Time that Bursar added to a request before it was sent on, and after the answer.",
    "bursar_first_event_seconds": "Time from sending a streamed request to its first event.",
    "bursar_vendor_seconds": "Time that vendors took for whole answers.",
}


class Histogram(msgspec.Struct):
    """Counts per bucket (one more than there are bounds) and the sum of what was observed."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def add(self, other: "Histogram") -> None:
        """Add another process's observations."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Numbers(msgspec.Struct):
    """One process's numbers. Keys of `counters` are the metric's name and its label values, joined by a tab."""

    written_at: float = 0.0
    counters: dict[str, int] = {}
    gauges: dict[str, float] = {}
    histograms: dict[str, Histogram] = msgspec.field(default_factory=lambda: {name: Histogram() for name in HISTOGRAMS})

    def add(self, key: str, by: int = 1) -> None:
        """Add to the counter of this key."""
        self.counters[key] = self.counters.get(key, 0) + by

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """Add to a counter."""
        self.add("\t".join((name, *labels)), by)

    def count_attempt(self, outcome: str) -> None:
        """Count an attempt by what was booked, as `Facts.outcome` says it."""
        ending, _, reason = outcome.partition(":")
        self.add(f"bursar_attempts\t{ending}\t{reason.partition(' ')[0]}")

    def count_tokens(self, usage: Usage) -> None:
        """Count what a vendor reported."""
        self.add("bursar_tokens\tinput", usage.input_tokens)
        self.add("bursar_tokens\toutput", usage.output_tokens)
        if usage.cache_read_input_tokens:
            self.add("bursar_tokens\tcache_read", usage.cache_read_input_tokens)
        if usage.reasoning_output_tokens:
            self.add("bursar_tokens\treasoning", usage.reasoning_output_tokens)


class Metrics:
    """This process's numbers and the folder in which all processes meet."""

    def __init__(self, *, folder: Path, gauges: Callable[[], Mapping[str, float]]) -> None:
        self.numbers = Numbers()
        self._gauges = gauges
        self._folder = folder
        self._file = folder / f"gateway-{os.getpid()}-{time.time_ns()}.json"

    async def run(self) -> None:
        """Write the numbers once a second until cancelled."""
        while True:
            self._refresh()
            await asyncio.to_thread(self._store, msgspec.json.encode(self.numbers))
            await asyncio.sleep(_WRITE_SECONDS)

    def open(self) -> None:
        """Make the folder; the first process of a start clears what earlier starts left."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if not any(_is_alive(numbers) for numbers in self._all()):
            for path in self._folder.glob("gateway-*.json"):
                path.unlink(missing_ok=True)

    def write(self) -> None:
        """Publish this process's numbers now."""
        self._refresh()
        self._store(msgspec.json.encode(self.numbers))

    def close(self) -> None:
        """Publish the last numbers: without gauges, since this process serves nothing any more."""
        self._gauges = dict
        self.write()

    def exposition(self) -> bytes:
        """Return the sum over all processes in Prometheus' text format."""
        self.write()
        registry = CollectorRegistry()
        registry.register(_Sum(self._all()))
        return generate_latest(registry)

    def _refresh(self) -> None:
        self.numbers.gauges = dict(self._gauges())
        self.numbers.written_at = time.time()

    def _store(self, encoded: bytes) -> None:
        draft = self._file.with_suffix(f".{time.monotonic_ns()}")
        draft.write_bytes(encoded)
        draft.replace(self._file)

    def _all(self) -> list[Numbers]:
        found = []
        for path in self._folder.glob("gateway-*.json"):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Numbers))
            except (OSError, msgspec.DecodeError):
                continue
        return found


class _Sum(Collector):
    def __init__(self, every: Iterable[Numbers]) -> None:
        self._every = list(every)
        self._alive = [numbers for numbers in self._every if _is_alive(numbers)]

    def collect(self) -> Iterable[Metric]:
        yield from self._counters()
        for name, text in GAUGES.items():
            yield GaugeMetricFamily(name, text, value=sum(numbers.gauges.get(name, 0) for numbers in self._alive))
        for name, text in OLDEST.items():
            oldest = max((numbers.gauges.get(name, 0) for numbers in self._alive), default=0)
            yield GaugeMetricFamily(name, text, value=oldest)
        for name, text in HISTOGRAMS.items():
            yield self._histogram(name, text)

    def _counters(self) -> Iterable[Metric]:
        sums: dict[str, int] = {}
        for numbers in self._every:
            for key, count in numbers.counters.items():
                sums[key] = sums.get(key, 0) + count
        for name, (text, labels) in COUNTERS.items():
            family = CounterMetricFamily(name, text, labels=labels)
            for key, count in sorted(sums.items()):
                key_name, *values = key.split("\t")
                if key_name == name:
                    family.add_metric(values, count)
            yield family

    def _histogram(self, name: str, text: str) -> Metric:
        whole = Histogram()
        for numbers in self._every:
            whole.add(numbers.histograms.get(name, Histogram()))
        buckets, seen = [], 0
        for bound, count in zip((*map(str, SECONDS), "+Inf"), whole.counts, strict=True):
            seen += count
            buckets.append((bound, float(seen)))
        return HistogramMetricFamily(name, text, buckets=buckets, sum_value=whole.total)


def _is_alive(numbers: Numbers) -> bool:
    return time.time() - numbers.written_at < _SILENT_SECONDS
