"""What the campaign's vendor charged: one line per call that reached it, in a file of its own.

The vendor writes a line with one write before it answers anything. Whatever our books say is held against these lines.
"""

import os
from decimal import ROUND_CEILING, Context, Decimal
from pathlib import Path

import msgspec

PRICES = {"input": Decimal("1234.567"), "cache_read": Decimal("123.4567"), "output": Decimal("4321.25")}
"""Nano-USD per token, so crooked that nearly every cost has a fraction."""

_EXACT = Context(prec=80)


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens that one call is billed for; all zero when it is billed for nothing."""

    call: str
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    @property
    def key(self) -> str:
        """The name of the key that made the call."""
        return self.call.partition(".")[0]

    @property
    def cost_nano(self) -> Decimal:
        """The exact cost."""
        fresh = self.input_tokens - self.cached_tokens
        return (
            PRICES["input"] * fresh + PRICES["cache_read"] * self.cached_tokens + PRICES["output"] * self.output_tokens
        )

    @property
    def charge_nano(self) -> int:
        """The cost as budgets count it: one ceiling per attempt."""
        return int(self.cost_nano.to_integral_value(rounding=ROUND_CEILING, context=_EXACT))


class InvoiceWriter:
    """The vendor's end of the file."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, line: InvoiceLine) -> None:
        """Append one line; it is there for every reader when this returns."""
        os.write(self._descriptor, msgspec.json.encode(line) + b"\n")


class Invoice:
    """The reader's end: `lines` grows with every `read`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.lines: list[InvoiceLine] = []

    def read(self) -> list[InvoiceLine]:
        """Take in and return what was written since."""
        new: list[InvoiceLine] = []
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                whole = file.read().rpartition(b"\n")[0]
            if whole:
                self._offset += len(whole) + 1
                new = [msgspec.json.decode(line, type=InvoiceLine) for line in whole.split(b"\n")]
        self.lines += new
        return new
