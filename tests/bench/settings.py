"""What a run of the bench can be told, all of it by environment."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

JSON_CONNECTIONS = 64
STREAMS_AT_ONCE = 64
EVENT_GAP_SECONDS = 0.005
HELD_STREAMS = 300
WARM_UP_CALLS = 300


class BenchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` is the measured time of one case, spread over `rounds` that take turns with the other cases.

    `peers` is the folder where other gateways are installed, if they are to take part.
    """

    seconds: float
    rounds: int
    gateway_workers: int
    output: Path | None
    peers: Path | None = None

    @property
    def round_seconds(self) -> float:
        """How long one case runs in one round."""
        return self.seconds / self.rounds


def read_settings(variables: Mapping[str, str]) -> BenchSettings:
    """Read BENCH_SECONDS, BENCH_ROUNDS, BENCH_WORKERS, BENCH_OUT and BENCH_PEERS. Raises SystemExit with a sentence."""
    output, peers = variables.get("BENCH_OUT"), variables.get("BENCH_PEERS")
    try:
        settings = BenchSettings(
            seconds=float(variables.get("BENCH_SECONDS") or 5),
            rounds=int(variables.get("BENCH_ROUNDS") or 3),
            gateway_workers=int(variables.get("BENCH_WORKERS") or 1),
            output=Path(output).absolute() if output else None,
            peers=Path(peers).absolute() if peers else None,
        )
    except ValueError as error:
        raise SystemExit(f"BENCH_SECONDS, BENCH_ROUNDS and BENCH_WORKERS must be numbers ({error}).") from error
    if settings.seconds <= 0 or settings.rounds < 1 or settings.gateway_workers < 1:
        raise SystemExit("BENCH_SECONDS, BENCH_ROUNDS and BENCH_WORKERS must be greater than zero.")
    return settings
