"""The campaign's clients: they call without pause, stream or not, and now and then they leave in the middle."""

import asyncio
import random
from collections import Counter

import httpx
import msgspec

from tests.faults.scene import CampaignKey, Scene, question

_SUSPICIOUS = frozenset({401, 403, 404, 405, 413, 422})
"""Nothing in a campaign justifies these: every key, model and body is in order."""
_VENDOR_BROKE = b"vendor_broke"
_LEAVING_SHARE = 0.08
_LONGEST_STAY_SECONDS = 0.6
_LONGEST_REST_SECONDS = 0.25
_PATIENCE_SECONDS = 60.0


class Tally:
    """What clients saw: `answers` by status or by how the connection ended, and sentences about the suspicious."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.violations: list[str] = []

    @property
    def served(self) -> int:
        """How many calls were answered with 200 to the end."""
        return self.answers["200"]

    def note(self, call: str, status: int, body: bytes) -> None:
        """Count one whole answer."""
        self.answers[str(status)] += 1
        if status in _SUSPICIOUS or (status == 500 and _VENDOR_BROKE not in body):
            self.violations.append(f"Call {call} was answered with {status}: {body[:300].decode(errors='replace')}")


class Caller(msgspec.Struct, kw_only=True):
    """One client with one key."""

    name: str
    key: CampaignKey
    url: str
    tally: Tally
    chance: random.Random
    stop: asyncio.Event

    async def run(self) -> None:
        """Call until told to stop."""
        number = 0
        limits = httpx.Limits(max_keepalive_connections=0)
        headers = {"authorization": f"Bearer {self.key.text}"}
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, limits=limits, timeout=_PATIENCE_SECONDS, trust_env=False
        ) as client:
            while not self.stop.is_set():
                number += 1
                served = await self._call(client, f"{self.key.name}.{self.name}.{number}")
                if not served:
                    await asyncio.sleep(self.chance.random() * _LONGEST_REST_SECONDS)

    async def _call(self, client: httpx.AsyncClient, call: str) -> bool:
        stay = self.chance.random() * _LONGEST_STAY_SECONDS if self.chance.random() < _LEAVING_SHARE else None
        try:
            async with asyncio.timeout(stay):
                return await self._read(client, call)
        except TimeoutError:
            self.tally.answers["left"] += 1
        except httpx.TransportError as error:
            self.tally.answers[type(error).__name__] += 1
        return False

    async def _read(self, client: httpx.AsyncClient, call: str) -> bool:
        request = client.build_request(
            "POST", "/v1/chat/completions", json=self._body(call), headers={"x-bursar-tags": f"call={call}"}
        )
        reply = await client.send(request, stream=True)
        try:
            body = await reply.aread()
        finally:
            await reply.aclose()
        self.tally.note(call, reply.status_code, body)
        return reply.status_code == 200

    def _body(self, call: str) -> dict[str, object]:
        fields: dict[str, object] = {}
        if self.chance.random() < 0.5:
            fields["stream"] = True
        maximum = self.chance.choice((None, 40, 150, 400))
        if maximum is not None:
            fields["max_tokens"] = maximum
        return question(call, **fields)


def callers(scene: Scene, *, url: str, tally: Tally, seed: int, per_key: int) -> list[Caller]:
    """Return so many clients for every key; they stop together, by the event of the first."""
    stop = asyncio.Event()
    return [
        Caller(
            name=f"c{number}",
            key=key,
            url=url,
            tally=tally,
            chance=random.Random(f"{seed} {key.name} {number}"),
            stop=stop,
        )
        for key in scene.keys
        for number in range(per_key)
    ]
