"""What the templates of the console can say: amounts, instants, icons, bars."""

from datetime import datetime
from decimal import Decimal

from django import template
from django.forms import BoundField
from django.http import HttpRequest
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from governance.catalog.hours import hours_in_words
from governance.console import amounts, times
from governance.console.icons import PATHS
from governance.console.navigation import sections
from governance.console.viewer import viewer_of_request
from governance.core.clock import utc_now
from governance.core.money import usd_text

register = template.Library()


@register.filter
def usd(nano: int | Decimal) -> SafeString:
    """Dollars and cents, with every digit in the title."""
    return _amount(nano, amounts.usd(nano))


@register.filter
def usd_fine(nano: int | Decimal) -> SafeString:
    """Dollars with six decimals, with every digit in the title."""
    return _amount(nano, amounts.usd_fine(nano))


@register.filter
def usd_exact(nano: int | Decimal) -> str:
    """Every digit."""
    return amounts.usd_exact(nano)


@register.filter
def exact_nano(nano: int | Decimal) -> str:
    """Nano-USD with every digit and thousands separators."""
    text = f"{abs(nano):,f}" if isinstance(nano, Decimal) else f"{abs(nano):,}"
    digits = text.rstrip("0").rstrip(".") if "." in text else text
    return f"\N{MINUS SIGN}{digits}" if nano < 0 else digits


@register.filter
def per_million(nano_per_unit: Decimal) -> str:
    """A price, in USD per million units."""
    return amounts.per_million(nano_per_unit)


@register.filter
def price_hours(hours: str) -> str:
    """The hours at which a price holds."""
    return hours_in_words(hours)


@register.filter
def count(number: int) -> str:
    """A whole number with thousands separators."""
    return amounts.count(number)


@register.filter
def when(at: datetime, zone: str) -> SafeString:
    """An instant in a zone, to the minute, as <time>."""
    return format_html(
        '<time datetime="{}" title="{} {}">{}</time>',
        at.isoformat(),
        times.precise(at, zone),
        zone,
        times.local(at, zone),
    )


@register.filter
def precisely(at: datetime, zone: str) -> SafeString:
    """An instant in a zone, to the millisecond, as <time>."""
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), times.precise(at, zone))


@register.filter
def to_the_second(at: datetime, zone: str) -> SafeString:
    """An instant in a zone, to the second, as <time>."""
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), times.to_the_second(at, zone))


@register.filter
def duration(milliseconds: int) -> str:
    """How long something took."""
    return times.duration(milliseconds)


@register.filter
def distance(at: datetime) -> str:
    """How far away an instant is, in words."""
    return times.distance(at, utc_now())


@register.simple_tag
def icon(name: str) -> SafeString:
    """A line icon, hidden from screen readers."""
    return format_html(
        '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d="{}"/></svg>', PATHS[name]
    )


@register.inclusion_tag("console/parts/navigation.html", takes_context=True)
def navigation(context: Context) -> dict[str, object]:
    """The navigation for the person who looks; no sections for somebody who is not signed in or in no team."""
    request: HttpRequest = context["request"]
    viewer = viewer_of_request(request)
    shown = sections(viewer=viewer, path=request.path) if viewer is not None else []
    return {"sections": shown, "person": request.user, "request": request}


@register.inclusion_tag("console/parts/field.html")
def field(bound: BoundField, *, autofocus: bool = False) -> dict[str, object]:
    """One labelled form field with its help and errors tied to it for screen readers."""
    return {"field": bound, "widget": _widget(bound, autofocus=autofocus)}


@register.inclusion_tag("console/parts/field.html")
def filter_field(bound: BoundField) -> dict[str, object]:
    """The same for a form that narrows a list, where nothing is required and none of it says so."""
    return {"field": bound, "widget": _widget(bound, autofocus=False), "is_filter": True}


@register.inclusion_tag("console/parts/field.html")
def cell_field(bound: BoundField) -> dict[str, object]:
    """The same in a cell of a table, whose headings say what it is: the label is for screen readers alone."""
    return {"field": bound, "widget": _widget(bound, autofocus=False), "is_filter": True, "is_cell": True}


def _widget(bound: BoundField, *, autofocus: bool) -> SafeString:
    described = [bound.auto_id + "-help"] if bound.help_text else []
    described += [bound.auto_id + "-error"] if bound.errors else []
    attributes: dict[str, str | bool] = {}
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if bound.errors:
        attributes["aria-invalid"] = "true"
    if autofocus:
        attributes["autofocus"] = True
    return bound.as_widget(attrs=attributes)


@register.inclusion_tag("console/parts/meter.html")
def meter(settled_nano: int, held_nano: int, limit_nano: int, state: str) -> dict[str, object]:
    """A bar of a budget: settled solid, held striped. Widths are in tenths of a per cent."""
    settled = amounts.permille(settled_nano, limit_nano)
    held = min(1000 - settled, amounts.permille(held_nano, limit_nano))
    label = (
        f"{amounts.usd(settled_nano)} settled and {amounts.usd(held_nano)} held of {amounts.usd(limit_nano)}, "
        f"{amounts.percent(settled_nano + held_nano, limit_nano)} used"
    )
    return {"settled": _tenths(settled), "held": _tenths(held), "label": label, "state": state}


@register.simple_tag
def share(part: int, whole: int) -> SafeString:
    """A thin bar under a figure; the figure itself says the same."""
    return format_html(
        '<svg class="share" aria-hidden="true" focusable="false"><rect width="100%" height="3"/>'
        '<rect width="{}%" height="3"/></svg>',
        _tenths(amounts.permille(part, whole)),
    )


def _tenths(permille: int) -> str:
    return f"{permille // 10}.{permille % 10}"


def _amount(nano: int | Decimal, shown: str) -> SafeString:
    return format_html(
        '<data class="money" value="{}" title="exactly {}">{}</data>', usd_text(nano), amounts.usd_exact(nano), shown
    )
