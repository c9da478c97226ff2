"""A vendor of message batches that works them off when it is told to, and keeps a book of its own."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from governance.core.plugins import load_plugins
from governance.jobs.looking import look_at_due
from tests.gateway.claude import PRICES, USAGE, message
from tests.gateway.vendor import VendorCall
from tests.gateway.world import World

BATCH_PRICES = {token_class: str(int(nano) // 2) for token_class, nano in PRICES.items()}
"""Half of what a single call costs."""
LINE_COST = USAGE["input_tokens"] * 1000 + USAGE["output_tokens"] * 5000


def succeeded(text: str = "Hello!", **usage: int) -> dict[str, Any]:
    """Return a result as the vendor reports it: its usage says that it ran in a batch."""
    answer = json.loads(message(text, **usage))
    answer["usage"]["service_tier"] = "batch"
    return {"type": "succeeded", "message": answer}


@dataclass
class MessageBatches:
    """`batches` by id: the requests in each, and results once they are there. `charged` is what the vendor billed."""

    host: str = "https://api.anthropic.test"
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: int | None = None
    """After so many bytes of results nothing more comes."""
    on_create: Callable[[VendorCall], Any] | None = None

    async def answer(self, call: VendorCall) -> None:
        """Answer like the vendor."""
        path = call.path.partition("?")[0]
        self.asked.append(f"{call.method} {path}")
        _, _, rest = path.partition("/messages/batches")
        name, _, word = rest.strip("/").partition("/")
        if call.method == "POST" and not name:
            await self._create(call)
        elif name not in self.batches:
            body = {"type": "error", "error": {"type": "not_found_error", "message": "no such batch"}}
            await call.reply(json.dumps(body).encode(), status=404)
        elif word == "results":
            await self._send_results(call, self.results[name])
        elif call.method == "DELETE":
            await call.reply(json.dumps({"id": name, "type": "message_batch_deleted"}).encode())
        else:
            if word == "cancel":
                self.batches[name]["processing_status"] = "canceling"
            await call.reply(self._described(name))

    async def _create(self, call: VendorCall) -> None:
        if self.on_create is not None:
            await self.on_create(call)
            return
        name = f"msgbatch_{len(self.batches) + 1}"
        self.batches[name] = {"requests": call.json["requests"], "processing_status": "in_progress"}
        await call.reply(self._described(name))

    async def _send_results(self, call: VendorCall, results: bytes) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-jsonl\r\ntransfer-encoding: chunked\r\n\r\n")
        await call.chunk(results[: self.cut])
        if self.cut is not None:
            await call.closed()
            return
        await call.end_stream()

    def end(self, name: str, *results: tuple[str, dict[str, Any]]) -> None:
        """Work a batch off, with these results."""
        self.batches[name]["processing_status"] = "ended"
        lines = [json.dumps({"custom_id": custom_id, "result": result}) for custom_id, result in results]
        self.results[name] = "".join(line + "\n" for line in lines).encode()

    def _described(self, name: str) -> bytes:
        status = self.batches[name]["processing_status"]
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        return json.dumps(
            {
                "id": name,
                "type": "message_batch",
                "processing_status": status,
                "request_counts": counts,
                "ended_at": None,
                "created_at": "2026-11-25T10:00:00Z",
                "expires_at": "2026-11-26T10:00:00Z",
                "archived_at": None,
                "cancel_initiated_at": None,
                "results_url": f"{self.host}/v1/messages/batches/{name}/results" if status == "ended" else None,
                "a_field_nobody_knows": {"kept": True},
            }
        ).encode()


def add_batch_prices(world: World, alias: str, prices: dict[str, str] = BATCH_PRICES) -> None:
    """Let a model run in batches, at these prices."""
    (row,) = world.rows("SELECT id FROM catalog_languagemodel WHERE name = %s", alias)
    for token_class, nano in prices.items():
        world.insert(
            "catalog_price",
            book_id=world.book,
            model_id=row["id"],
            token_class=token_class,
            nano_per_unit=nano,
            from_input_tokens=0,
            service_tier="batch",
            effective_from="2026-01-01T00:00:00Z",
            source="test",
            snapshot_sha256="",
        )


async def look(world: World, worker_url: str) -> int:
    """Look at every job now, as the worker would when they are due; return how many ended."""
    world.execute("UPDATE jobs_job SET next_look_at = now() WHERE state <> 'ended'")
    return await look_at_due(
        database_url=worker_url, providers=load_plugins().providers, keys=world.environment.sealing_keys
    )
