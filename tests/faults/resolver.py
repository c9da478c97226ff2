"""Resolving suspense by the invoice, as a finance person does: `bursar suspense settle` and `release`.

`python -m tests.faults.resolver` is a process of its own, which takes one order per line: starting Django for each
attempt would take a second.
"""

import asyncio
import io
import sys
from collections.abc import Mapping, Sequence
from uuid import UUID

import django
import msgspec
from django.core.management import CommandError, call_command
from django.db import Error, connection

from governance.core.money import usd_text
from tests.faults.checker import Verdict
from tests.faults.host import ROOT


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt is to be settled with; None: it is released."""

    attempt_id: UUID
    cost_nano: int | None


class Resolver:
    """The campaign's end of the process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.resolved = 0

    @classmethod
    async def start(cls, variables: Mapping[str, str]) -> "Resolver":
        """Start the process."""
        command = (sys.executable, "-m", "tests.faults.resolver")
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, env=variables, cwd=ROOT, stdin=pipe, stdout=pipe))

    async def resolve(self, verdicts: Sequence[Verdict]) -> None:
        """Settle or release these attempts; what the database refuses just now may be tried again."""
        for verdict in verdicts:
            cost = verdict.line.charge_nano if verdict.line is not None else None
            self.resolved += await self._ask(Order(attempt_id=verdict.attempt_id, cost_nano=cost))

    async def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def _ask(self, order: Order) -> bool:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise RuntimeError("The process that resolves suspense has ended; its words are above.")
        return answer == b"resolved\n"


def _carry_out(order: Order) -> str:
    attempt = str(order.attempt_id)
    reason = ("--reason", "the vendor's invoice", "--json")
    try:
        with io.StringIO() as nowhere:
            if order.cost_nano is None:
                call_command("suspense", "release", attempt, *reason, stdout=nowhere)
            else:
                cost = usd_text(order.cost_nano)
                call_command("suspense", "settle", attempt, "--cost", cost, *reason, stdout=nowhere)
    except (CommandError, Error) as error:
        connection.close()
        return f"refused: {error}"
    return "resolved"


def main() -> None:
    """Carry out orders until there are no more."""
    django.setup()
    for line in sys.stdin:
        print(_carry_out(msgspec.json.decode(line, type=Order)), flush=True)


if __name__ == "__main__":
    main()
