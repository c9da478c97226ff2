"""Budgets with accounts that the database's own function opened, and time moved under them."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from governance.budgets import operations
from governance.budgets.models import Account, Budget
from governance.budgets.operations import NewBudget
from governance.core.clock import utc_now
from governance.core.windows import WindowKind
from governance.teams.models import Membership, OrganisationRole, User
from tests.support.company import ACTOR, Company

USD = 10**9
HOUR = timedelta(hours=1)


def make(company: Company, *, limit: int = 100, **fields: Any) -> Budget:
    """Set a budget of this many dollars; for the team unless said otherwise."""
    values: dict[str, Any] = {"name": "shared", "window": WindowKind.MONTH, "team_id": company.team.pk, **fields}
    new = NewBudget(organisation_id=company.organisation.pk, limit_nano=limit * USD, **values)
    return operations.create(actor=ACTOR, new=new)


def person(company: Company, name: str, *, part: str = "developer") -> User:
    """Return somebody with a part in the team, or with a role in the organisation."""
    user = User.objects.create(username=name, email=f"{name}@acme.example")
    if part in ("admin", "finance", "auditor"):
        OrganisationRole.objects.create(user=user, organisation=company.organisation, role=part)
    else:
        Membership.objects.create(user=user, team=company.team, part=part)
    return user


def open_account(
    budget: Budget,
    *,
    user: User | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Account:
    """Open the account of a period around now as the gateway does."""
    now = utc_now()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT budgets_open_account(%s, %s, %s, %s, NULL)",
            [budget.pk, starts_at or now - HOUR, ends_at or now + HOUR, user.pk if user is not None else None],
        )
        (account_id,) = cursor.fetchone()
    return Account.objects.get(pk=account_id)


def limit_at(account: Account, at: datetime) -> int:
    """Return what a grant may fill."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT budgets_limit_at(a, %s) FROM budgets_account a WHERE id = %s", [at, account.pk])
        (limit,) = cursor.fetchone()
    return int(limit)
