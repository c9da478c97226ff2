"""A vendor of OpenAI's files and batches that works them off when it is told to, and keeps a book of its own."""

import json
from dataclasses import dataclass, field
from typing import Any

from governance.gateway.jobs.multipart import read_form
from tests.gateway.vendor import VendorCall


def line(name: str, url: str = "/v1/chat/completions", method: str = "POST", **body: Any) -> dict[str, Any]:
    """Return one request of a batch, to the model `tiny` unless it says otherwise."""
    asked = {"model": "tiny", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}], **body}
    return {"custom_id": name, "method": method, "url": url, "body": asked}


def jsonl(*lines: Any) -> bytes:
    """Return a file of these."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def answered(name: str, body: bytes | str, status: int = 200) -> dict[str, Any]:
    """Return a line of results."""
    response = {"status_code": status, "request_id": "r", "body": json.loads(body)}
    return {"id": "batch_req", "custom_id": name, "response": response, "error": None}


def never_run(name: str, code: str = "batch_expired") -> dict[str, Any]:
    """Return a line of errors."""
    return {"id": "batch_req", "custom_id": name, "response": None, "error": {"code": code, "message": "no"}}


@dataclass
class FileBatches:
    """`files` by id, as bytes; `batches` by id, as the vendor describes them."""

    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def answer(self, call: VendorCall) -> None:
        """Answer like the vendor."""
        path = call.path.partition("?")[0].removeprefix("/v1")
        self.asked.append(f"{call.method} {path}")
        _, what, name, word = (*path.split("/"), "", "")[:4]
        known: dict[str, Any] = self.files if what == "files" else self.batches
        if call.method == "POST" and not name:
            await (self._keep(call) if what == "files" else self._begin(call))
        elif name not in known:
            await call.reply(b'{"error":{"message":"no such thing"}}', status=404)
        elif word == "content":
            await call.reply(self.files[name], headers="content-type: application/octet-stream")
        elif call.method == "DELETE":
            del self.files[name]
            await call.reply(json.dumps({"id": name, "object": "file", "deleted": True}).encode())
        elif what == "files":
            await call.reply(self._described(name))
        else:
            if word == "cancel":
                self.batches[name]["status"] = "cancelling"
            await call.reply(json.dumps(self.batches[name]).encode())

    def end(self, name: str, status: str = "completed", *, output: bytes = b"", errors: bytes = b"") -> None:
        """Work a batch off, with these results."""
        batch = self.batches[name]
        batch["status"] = status
        batch["request_counts"] = {"total": 0, "completed": output.count(b"\n"), "failed": errors.count(b"\n")}
        for field_name, content in (("output_file_id", output), ("error_file_id", errors)):
            if content:
                batch[field_name] = f"file-{field_name[:3]}-{name}"
                self.files[batch[field_name]] = content

    def lines_of(self, name: str) -> list[dict[str, Any]]:
        """Return what the vendor got of a file."""
        return [json.loads(each) for each in self.files[name].splitlines()]

    async def _keep(self, call: VendorCall) -> None:
        form = read_form(call.headers["content-type"].encode(), call.body)
        assert form["purpose"].value == b"batch"
        name = f"file-{len(self.files) + 1}"
        self.files[name] = form["file"].value
        await call.reply(self._described(name))

    async def _begin(self, call: VendorCall) -> None:
        name = f"batch_{len(self.batches) + 1}"
        self.batches[name] = {
            **call.json,
            "id": name,
            "object": "batch",
            "status": "validating",
            "created_at": 1,
            "output_file_id": None,
            "error_file_id": None,
            "a_field_nobody_knows": {"kept": True},
        }
        await call.reply(json.dumps(self.batches[name]).encode())

    def _described(self, name: str) -> bytes:
        described = {"id": name, "object": "file", "bytes": len(self.files[name]), "created_at": 1}
        return json.dumps({**described, "filename": "a.jsonl", "purpose": "batch", "status": "processed"}).encode()
