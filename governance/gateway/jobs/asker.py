"""Who sends a job, and what governs it."""

import time
from datetime import datetime

import msgspec

from governance.gateway.app import Gateway
from governance.gateway.exchange import Exchange
from governance.gateway.tags import read_tags
from governance.policy.snapshot import KeyPolicy, PolicySnapshot


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends a job, and what governs it."""

    policy: KeyPolicy
    snapshot: PolicySnapshot
    at: datetime
    tags: dict[str, str]


async def asker_of(gateway: Gateway, exchange: Exchange) -> tuple[Asker, bytes]:
    """Return who sends this, and the whole body. Raises BursarError or ClientGone."""
    policy, snapshot, at = await gateway.identify(exchange)
    limits = gateway.vendors.limits
    body = await exchange.body(
        limits=limits, largest=limits.body_bytes, watchdog=gateway.vendors.watchdog, now=time.monotonic()
    )
    tags = read_tags(exchange.headers.get(b"x-bursar-tags"), policy=policy, limits=limits)
    return Asker(policy=policy, snapshot=snapshot, at=at, tags=tags), body
