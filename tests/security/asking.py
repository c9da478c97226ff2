"""How attackers ask: bodies as text, so that they may hold what no JSON library would write."""

import json
from typing import Any

import httpx

from tests.gateway.vendor import Vendor, VendorCall
from tests.gateway.world import Served, World, question

PATH = "/v1/chat/completions"
COST_NANO = 15_000
"""What the scripted vendor's usual answer costs: 9 tokens in at 1,000 nano-USD, 3 out at 2,000."""
_TEMPLATE_TOKENS = 512 + 16


async def ask(served: Served, key: str, body: str | bytes | None = None, **fields: Any) -> httpx.Response:
    """Ask with this very body, or with a question that has these fields."""
    async with served.client(key) as client:
        return await client.post(PATH, content=packed(**fields) if body is None else body)


def packed(**fields: Any) -> str:
    """Return the body of a question without blanks."""
    return json.dumps(question(**fields), separators=(",", ":"))


def with_raw(**raw: str) -> str:
    """Return the body of a question with these fields as they are written here, in this order."""
    fields = "".join(f',"{name}":{value}' for name, value in raw.items())
    return f"{packed()[:-1]}{fields}}}"


def worst_nano(body: str, *, maximum: int, choices: int = 1) -> int:
    """Return the worst case of a body at the prices of `tiny`."""
    return (len(body.encode()) + _TEMPLATE_TOKENS) * 1000 + choices * maximum * 2000


async def refused(served: Served, world: World, vendor: Vendor, key: str, body: str) -> tuple[int, str]:
    """Ask what must be refused; return status and code. Nothing is sent and nothing is held."""
    reply = await ask(served, key, body)
    assert reply.status_code >= 400, body[:300]
    assert vendor.calls == [] and world.attempts() == [] and world.records() == [], body[:300]
    return reply.status_code, reply.json()["error"]["code"]


def usage_reply(usage: str, *, text: str = "Hello!") -> bytes:
    """Return a whole reply with this `usage`, as it is written here."""
    message = json.dumps({"role": "assistant", "content": text})
    return f'{{"id":"c","choices":[{{"index":0,"message":{message}}}],"usage":{usage}}}'.encode()


def answering(body: bytes) -> Any:
    """Return a vendor's manner: to every question this answer."""

    async def answer(call: VendorCall) -> None:
        await call.reply(body)

    return answer
