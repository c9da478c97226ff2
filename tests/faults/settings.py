"""How large a campaign is. From the environment: FAULT_KILLS and FAULT_SEED."""

import random
from collections.abc import Mapping

import msgspec

from tests.faults.strikes import Strike

_CALLS_PER_KILL = 520
_SKEWS = {1: 3600}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`calls` is how many must reach the vendor before the campaign ends; the strikes are spread over them.

    `skews` says by how many seconds the clock of a gateway process is wrong, by its place.
    """

    seed: int
    strikes: Mapping[Strike, int]
    calls: int
    gateways: int = 4
    machines: int = 2
    clients_per_key: int = 2
    skews: Mapping[int, int] = msgspec.field(default_factory=dict)

    def schedule(self) -> list[tuple[int, Strike]]:
        """Return what happens after how many calls: each strike at a random one of its own share of the calls."""
        chance = random.Random(f"{self.seed} schedule")
        kinds = [kind for kind, count in self.strikes.items() for _ in range(count)]
        chance.shuffle(kinds)
        share = self.calls / max(1, len(kinds))
        return [(int((number + chance.random()) * share), kind) for number, kind in enumerate(kinds)]


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Read the variables. Raises SystemExit with a sentence."""
    try:
        kills = int(variables.get("FAULT_KILLS") or 40)
        seed = int(variables.get("FAULT_SEED") or random.SystemRandom().randrange(2**32))
    except ValueError as error:
        raise SystemExit(f"FAULT_KILLS and FAULT_SEED must be whole numbers ({error}).") from error
    if kills < 1:
        raise SystemExit("FAULT_KILLS must be at least 1.")
    return Settings(seed=seed, strikes=usual_strikes(kills), calls=kills * _CALLS_PER_KILL, skews=_SKEWS)


def usual_strikes(kills: int) -> dict[Strike, int]:
    """Return how much of everything goes with so many kills."""
    return {
        Strike.KILL: kills,
        Strike.SHORT_FREEZE: kills // 5 + 1,
        Strike.LONG_FREEZE: kills // 6 + 1,
        Strike.RESTART: kills // 8 + 1,
        Strike.OUTAGE: kills // 20,
        Strike.FAIL_OVER: kills // 8,
        Strike.DEAF_STANDBY: kills // 8,
        Strike.CUT_OFF: kills // 4,
        Strike.LOCK: kills // 8,
        Strike.STOP: kills // 8,
        Strike.FULL_DISK: kills // 8,
    }
