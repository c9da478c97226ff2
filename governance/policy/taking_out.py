"""What is there as a file that can be loaded: change it in a spreadsheet, load it again, and it is a bulk edit."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from governance.budgets.models import Budget
from governance.core.csv_text import Cell, csv_bytes
from governance.core.money import usd_text
from governance.policy.loading import KINDS
from governance.teams.models import Organisation


def present_csv(*, organisation: Organisation, kind: str) -> bytes:
    """Return the living teams or budgets of the organisation, by name. Loading it as it is changes nothing.

    Keys are in no such file: each line of one issues a new key.
    """
    columns = (*KINDS[kind].required, *KINDS[kind].optional)
    return csv_bytes(columns, ([row[name] for name in columns] for row in _ROWS[kind](organisation)))


def can_be_taken_out(kind: str) -> bool:
    """Whether there is such a file."""
    return kind in _ROWS


def _teams(organisation: Organisation) -> Iterator[Mapping[str, Cell]]:
    living = organisation.teams.filter(archived_at=None).select_related("unit", "cost_centre").order_by("name")
    for team in living:
        yield {
            "name": team.name,
            "unit": team.unit.name,
            "cost_centre": team.cost_centre.code,
            "required_tags": " ".join(team.required_tags),
        }


def _budgets(organisation: Organisation) -> Iterator[Mapping[str, Cell]]:
    living = Budget.objects.filter(organisation=organisation, retired_at=None)
    for budget in living.select_related("unit", "team", "user").defer("user__password").order_by("name"):
        yield {
            "name": budget.name,
            "limit_usd": usd_text(budget.limit_nano),
            "window": budget.window,
            "unit": str(budget.unit or ""),
            "team": str(budget.team or ""),
            "person": str(budget.user or ""),
            "zone": budget.zone,
            "enforcement": budget.enforcement,
            "models": budget.model_pattern,
            "sharing": budget.sharing,
        }


_ROWS: Final[Mapping[str, Callable[[Organisation], Iterator[Mapping[str, Cell]]]]] = MappingProxyType(
    {"teams": _teams, "budgets": _budgets}
)
