"""The rooms of the console, in the order of the side bar."""

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from governance.console.viewer import viewer_of
from governance.teams.models import User


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
    ("Spend", (("Requests", "requests", "requests"), ("Statements", "statements", "statements"))),
    (
        "Governance",
        (
            ("Budgets", "budgets", "budgets"),
            ("Rate limits", "rate_limits", "limits"),
            ("Keys", "keys", "keys"),
            ("API tokens", "tokens", "tokens"),
            ("Teams", "teams", "teams"),
        ),
    ),
    ("Catalogue", (("Models & prices", "models", "models"), ("Connections", "connections", "connections"))),
)


def sections(*, user: User | AnonymousUser, path: str) -> list[Section]:
    """Return what this person may enter; nothing for somebody who is not signed in or in no team."""
    viewer = viewer_of(user=user, origin="") if isinstance(user, User) else None
    if viewer is None:
        return []
    hidden = set() if viewer.sees_all else {"statements"}
    if not viewer.access.may_see_settings(viewer.organisation.pk):
        hidden.add("connections")
    return [
        Section(title=title, links=[_link(*row, path) for row in rows if row[1] not in hidden])
        for title, rows in _SECTIONS
    ]


def _link(label: str, name: str, icon: str, path: str) -> Link:
    address = reverse(name)
    is_current = path == address if address == "/" else path.startswith(address)
    return Link(label=label, address=address, icon=icon, is_current=is_current)
