"""Commands that print more than plain data: tables with money under each other, files, exit codes of their own."""

import argparse
import textwrap
from typing import Any

import msgspec
from django.core.management.base import CommandParser, DjangoHelpFormatter

from governance.commands.base import SentenceCommand

_HELP_WIDTH = 90


class _Help(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of examples."""


class PrintingCommand(SentenceCommand):
    """A command is thin: it parses, makes one domain call and prints the answer. `example` ends its `--help`."""

    example = ""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Return the parser, with the example below its options."""
        epilog = f"example:\n{self.example}" if self.example else None
        parser = super().create_parser(prog_name, subcommand, epilog=epilog, formatter_class=_Help, **options)
        parser.description = textwrap.fill(self.help, _HELP_WIDTH)
        return parser

    def print_json(self, answer: object) -> None:
        """Print the answer as JSON; exact decimals become strings."""
        self.stdout.write(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())

    def print_table(self, header: tuple[str, ...], rows: list[tuple[str | int, ...]]) -> None:
        """Print rows in columns: text to the left, numbers aligned at their decimal points."""
        self.stdout.write(aligned(header, rows))


def aligned(header: tuple[str, ...], rows: list[tuple[str | int, ...]]) -> str:
    """Return rows in columns. A column of integers or of decimal numbers is aligned at the point."""
    columns = [[row[index] for row in rows] for index in range(len(header))]
    texts = [_column(title, cells) for title, cells in zip(header, columns, strict=True)]
    lines = zip(*texts, strict=True)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _column(title: str, cells: list[str | int]) -> list[str]:
    if not cells or not all(_is_number(cell) for cell in cells):
        texts = [title, *map(str, cells)]
        width = max(map(len, texts))
        return [text.ljust(width) for text in texts]
    fraction = max(len(str(cell).partition(".")[2]) for cell in cells)
    padded = [_with_fraction(str(cell), fraction) for cell in cells]
    width = max(len(title), *map(len, padded))
    return [title.rjust(width), *(text.rjust(width) for text in padded)]


def _is_number(cell: str | int) -> bool:
    return str(cell).lstrip("-").replace(".", "", 1).isdigit()


def _with_fraction(text: str, digits: int) -> str:
    """Pad behind the shorter fractions with blanks, never with digits that nobody measured."""
    whole, point, fraction = text.partition(".")
    return whole + (point or " ") + fraction.ljust(digits) if digits else whole
