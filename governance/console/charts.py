"""Charts as SVG made here: no script, no inline style. Positions are per cent of the width, so text never stretches.

Every chart is a picture beside a table with the same figures; nothing in it is told by colour alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_HEIGHT = 262
_TOP = 14
_BOTTOM = 236
_GUTTER = 62
"""Where the plot begins; the style sheet says the same."""
_MARKED_DAYS = frozenset({1, 5, 10, 15, 20, 25, 30})
_BESIDE = 2
_FEWEST_SLOTS = 8
"""Fewer columns than these are not made broader."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A day or a month: an amount (any integer unit), what it is in words, and what stands below it, if anything."""

    amount: int
    label: str
    mark: str = ""
    is_today: bool = False


def columns(*, drawn: Sequence[Column], ticks: Sequence[tuple[int, str]], summary: str) -> SafeString:
    """Return a column chart. `ticks` are (amount, text) lines, ascending, the last being the top of the scale."""
    top = max(1, ticks[-1][0])
    shapes = ((_column(column, index, len(drawn), top),) for index, column in enumerate(drawn))
    # Two pictures, one over the other: a picture within another one cannot be told to leave room for the ticks.
    return format_html(
        '<div class="chart" role="img" aria-label="{}"><svg width="100%" height="{}">{}</svg>'
        '<svg class="chart-plot" height="{}">{}</svg></div>',
        summary,
        _HEIGHT,
        format_html_join("", "{}", ((_tick(amount, text, top),) for amount, text in ticks)),
        _HEIGHT,
        format_html_join("", "{}", shapes),
    )


def day_mark(day: date, *, today: date | None) -> str:
    """Return the day's number where there is room for it: beside today's no other is written."""
    if day == today:
        return str(day.day)
    is_beside = today is not None and abs((day - today).days) <= _BESIDE
    return str(day.day) if day.day in _MARKED_DAYS and not is_beside else ""


def scale(largest: int) -> list[int]:
    """Return up to five round amounts from 0 upwards, the last at or above the largest."""
    step = _round_step(max(1, largest))
    return [step * number for number in range(max(1, -(-largest // step)) + 1)]


def _round_step(largest: int) -> int:
    """Return the smallest 1, 2 or 5 times a power of ten of which four cover the largest."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if power * factor * 4 >= largest:
                return power * factor
        power *= 10


def _tick(amount: int, text: str, top: int) -> SafeString:
    y = _y(amount, top)
    return format_html(
        '<line class="chart-line" x1="{}" x2="100%" y1="{}" y2="{}"/><text class="chart-tick" x="{}" y="{}">{}</text>',
        _GUTTER,
        y,
        y,
        _GUTTER - 8,
        y + 4,
        text,
    )


def _column(column: Column, index: int, total: int, top: int) -> SafeString:
    y = _y(column.amount, top)
    if column.amount > 0:
        y = min(y, _BOTTOM - 2)
    kind = "chart-column chart-today" if column.is_today else "chart-column"
    # Thousandths of the width in whole numbers: a column takes seven tenths of its slot.
    slot = 100_000 // max(total, _FEWEST_SLOTS)
    return format_html(
        '<g><title>{}</title><rect class="chart-slot" x="{}%" width="{}%" y="{}" height="{}"/>'
        '<rect class="{}" x="{}%" width="{}%" y="{}" height="{}" rx="1.5"/>{}</g>',
        column.label,
        _thousandths(slot * index),
        _thousandths(slot),
        _TOP,
        _BOTTOM - _TOP,
        kind,
        _thousandths(slot * index + slot * 15 // 100),
        _thousandths(slot * 7 // 10),
        y,
        _BOTTOM - y,
        _mark(column, _thousandths(slot * index + slot // 2)),
    )


def _mark(column: Column, x: str) -> SafeString:
    if not column.mark:
        return SafeString("")
    kind = "chart-day chart-day-today" if column.is_today else "chart-day"
    return format_html('<text class="{}" x="{}%" y="{}">{}</text>', kind, x, _HEIGHT - 8, column.mark)


def _y(amount: int, top: int) -> int:
    return _BOTTOM - amount * (_BOTTOM - _TOP) // top


def _thousandths(value: int) -> str:
    return f"{value // 1000}.{value % 1000:03d}"
