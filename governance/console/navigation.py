"""The rooms of the console, in the order of the side bar."""

from dataclasses import dataclass

from django.urls import reverse

from governance.viewing.viewer import Viewer


@dataclass(frozen=True, kw_only=True)
class Link:
    """One line of the navigation."""

    label: str
    address: str
    icon: str
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled group of links."""

    title: str
    links: list[Link]


_SECTIONS = (
    ("", (("Overview", "overview", "overview"),)),
    (
        "Spend",
        (
            ("Requests", "requests", "requests"),
            ("Reports", "reports", "reports"),
            ("Statements", "statements", "statements"),
            ("Month close", "months", "months"),
            ("Alerts", "alerts", "alerts"),
        ),
    ),
    (
        "Governance",
        (
            ("Budgets", "budgets", "budgets"),
            ("Rate limits", "rate_limits", "limits"),
            ("Allow-lists", "allow_lists", "allowed"),
            ("Keys", "keys", "keys"),
            ("API tokens", "tokens", "tokens"),
            ("Teams", "teams", "teams"),
            ("People", "people", "people"),
        ),
    ),
    (
        "Catalogue",
        (
            ("Models & prices", "models", "models"),
            ("Routes", "routes", "routes"),
            ("Connections", "connections", "connections"),
        ),
    ),
    ("Oversight", (("Audit trail", "audit", "audit"), ("Settings", "settings", "settings"))),
)


def sections(*, viewer: Viewer, path: str) -> list[Section]:
    """Return what this person may enter."""
    hidden = set() if viewer.sees_all else {"statements", "months", "alerts"}
    if not viewer.access.may_see_settings(viewer.organisation.pk):
        hidden |= {"connections", "routes", "allow_lists", "people", "settings"}
    if not viewer.may_see_trail:
        hidden.add("audit")
    shown = [(title, [row for row in rows if row[1] not in hidden]) for title, rows in _SECTIONS]
    return [Section(title=title, links=[_link(*row, path) for row in rows]) for title, rows in shown if rows]


def _link(label: str, name: str, icon: str, path: str) -> Link:
    address = reverse(name)
    is_current = path == address if address == "/" else path.startswith(address)
    return Link(label=label, address=address, icon=icon, is_current=is_current)
