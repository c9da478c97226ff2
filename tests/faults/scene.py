"""Who calls what in a campaign: an organisation of four levels whose budgets are ample, tight or tiny."""

from typing import Any

import msgspec

from tests.faults.invoice import PRICES
from tests.gateway.world import World

ALIAS = "campaign"
MODEL_MAXIMUM = 600
_AMPLE = 10**15
_TIGHT = 150_000_000
_TINY = 12_000_000
"""Nano-USD. A call costs about a million, and its worst case is about twice that: a tiny budget pays for ten."""


class CampaignKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key, and the ids of all budgets that pay for its calls."""

    id: int
    name: str
    text: str
    budgets: frozenset[int]


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """The keys, and the limit of every budget: the campaign's own knowledge, never read back from the database."""

    keys: tuple[CampaignKey, ...]
    limits: dict[int, int]

    def budgets_of(self, key_name: str) -> frozenset[int]:
        """Return the budgets on the path of this key."""
        return next(key.budgets for key in self.keys if key.name == key_name)


class _Builder:
    """Adds one level below the other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.limits: dict[int, int] = {}
        self.keys: list[CampaignKey] = []

    def budget(self, limit_nano: int, **columns: object) -> int:
        made = self.world.add_budget(limit_nano, **{"team_id": None, "window": "total", **columns})
        self.limits[made] = limit_nano
        return made

    def team(self, name: str, above: frozenset[int], **budget: Any) -> frozenset[int]:
        """Add a team and, where a limit is given, its budget. Return the budgets down to it."""
        cost_centre = self.world.insert(
            "teams_costcentre", organisation_id=self.world.organisation, code=f"of {name}", name=""
        )
        self.world.team = self.world.insert(
            "teams_team",
            organisation_id=self.world.organisation,
            unit_id=self.world.unit,
            cost_centre_id=cost_centre,
            name=name,
            required_tags=[],
        )
        return above | {self.budget(team_id=self.world.team, **budget)} if budget else above

    def key(self, above: frozenset[int], **budget: Any) -> None:
        """Add a key of the newest team and, where a limit is given, its budget."""
        name = f"key{len(self.keys)}"
        key_id, text = self.world.add_key(name=name)
        budgets = above | {self.budget(key_id=key_id, **budget)} if budget else above
        self.keys.append(CampaignKey(id=key_id, name=name, text=text, budgets=budgets))


def build_scene(world: World, vendor_url: str) -> Scene:
    """Make it all in the database."""
    world.found(vendor_url)
    prices = {token_class: str(price) for token_class, price in PRICES.items()}
    world.add_model(ALIAS, prices=prices, max_output_tokens=MODEL_MAXIMUM)
    builder = _Builder(world)
    whole = frozenset(
        {
            builder.budget(_AMPLE),
            builder.budget(_AMPLE, model_pattern="camp*", window="month", zone="Asia/Kathmandu"),
            builder.budget(_AMPLE, unit_id=world.unit, window="day", zone="Europe/Berlin"),
        }
    )
    ample = builder.team("ample", whole, limit_nano=_AMPLE, window="week")
    for _ in range(3):
        builder.key(ample)
    builder.key(ample, limit_nano=_AMPLE, window="hour")
    builder.key(ample, limit_nano=_TINY, window="minute")
    builder.key(ample, limit_nano=_TINY)
    tight = builder.team("tight", whole, limit_nano=_TIGHT, window="minute")
    builder.key(tight)
    builder.key(tight, limit_nano=_TINY, window="minute")
    tiny = builder.team("tiny", whole, limit_nano=_TINY, window="minute")
    builder.key(tiny)
    builder.key(tiny, limit_nano=_AMPLE)
    builder.team("free", whole)
    builder.key(whole)
    return Scene(keys=tuple(builder.keys), limits=builder.limits)


def question(name: str, **fields: object) -> dict[str, object]:
    """Return the body of a call of this name."""
    text = f"{name} sings for us"
    return {"model": ALIAS, "messages": [{"role": "user", "content": text}], **fields}


def call_of(body: dict[str, Any]) -> str:
    """Return the name of the call whose body this is."""
    return str(body["messages"][0]["content"]).partition(" ")[0]
