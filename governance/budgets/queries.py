"""Reading budgets and what is left of them. Amounts are nano-USD. Reading never opens an account."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import BigIntegerField, DateTimeField, ExpressionWrapper, F, Func, QuerySet, Value
from django.db.models.functions import Least

from governance.budgets.errors import BudgetNotFound, IncreaseNotFound, RequestNotFound
from governance.budgets.models import Account, Budget, Increase, IncreaseRequest
from governance.budgets.narrowing import tag_text
from governance.core.windows import Period, Window, WindowKind

_UNOPENED = """
    SELECT b.id, budgets_limit_unopened(b, w.starts_at, %s)
      FROM unnest(%s::bigint[], %s::timestamptz[]) AS w (id, starts_at) JOIN budgets_budget b ON b.id = w.id
"""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A budget, or one member's share of it, in its current period.

    An account that was never used counts as nothing settled, nothing held. `limit_nano` is what may be spent now: the
    budget's limit with what was carried over and the increases in force.
    """

    budget: Budget
    member: str
    period: Period
    limit_nano: int
    carried_nano: int
    settled_nano: int
    held_nano: int

    @property
    def left_nano(self) -> int:
        """What may still be reserved; negative when a fact or a lowered limit went beyond."""
        return self.limit_nano - self.settled_nano - self.held_nano


class _LimitAt(Func):
    """The limit in force of the account of each row. Only for queries whose first table is the accounts'."""

    template = "budgets_limit_at(budgets_account, %(expressions)s)"
    output_field = BigIntegerField()


def budget(*, budget_id: int, is_locked: bool = False) -> Budget:
    """Return one budget. Raises BudgetNotFound."""
    rows = Budget.objects.select_for_update(of=("self",), no_key=True) if is_locked else Budget.objects.all()
    found = rows.filter(id=budget_id).first()
    if found is None:
        raise BudgetNotFound(f"There is no budget with the id {budget_id}: list them with `bursar budgets list`.")
    return found


def live_budgets(*, organisation_id: int) -> QuerySet[Budget]:
    """Return the budgets that still pay, with whose they are."""
    return Budget.objects.filter(organisation_id=organisation_id, retired_at__isnull=True).select_related(
        "organisation", "unit", "team", "key", "user", "model_group"
    )


def window_of(found: Budget) -> Window:
    """Return the budget's window as pure arithmetic."""
    return Window(kind=WindowKind(found.window), zone=found.zone, first_month=found.first_month)


def increase(*, increase_id: int, is_locked: bool = False) -> Increase:
    """Return one increase. Raises IncreaseNotFound."""
    rows = Increase.objects.select_for_update(no_key=True) if is_locked else Increase.objects
    found = rows.filter(id=increase_id).first()
    if found is None:
        raise IncreaseNotFound(
            f"There is no increase with the id {increase_id}: `bursar budgets increases` lists them."
        )
    return found


def increases_of(*, budgets: Iterable[Budget], at: datetime) -> QuerySet[Increase]:
    """Return the increases of these budgets that are in force or to come."""
    return Increase.objects.filter(budget__in=list(budgets), ends_at__gt=at, withdrawn_at=None).select_related(
        "budget", "user", "key"
    )


def increase_request(*, request_id: int, is_locked: bool = False) -> IncreaseRequest:
    """Return one request for more money. Raises RequestNotFound."""
    rows = IncreaseRequest.objects.select_related("budget", "requested_by")
    rows = rows.select_for_update(of=("self",), no_key=True) if is_locked else rows
    found = rows.filter(id=request_id).first()
    if found is None:
        raise RequestNotFound(f"There is no request with the id {request_id}: list them with `bursar raises list`.")
    return found


def increase_requests(*, organisation_id: int) -> QuerySet[IncreaseRequest]:
    """Return the organisation's requests for more money, the newest first."""
    return IncreaseRequest.objects.filter(budget__organisation_id=organisation_id).select_related(
        "budget", "requested_by", "decided_by"
    )


def standings(*, budgets: Iterable[Budget], at: datetime, accounts: QuerySet[Account] | None = None) -> list[Standing]:
    """Return how these budgets stand at an instant, in their order. `accounts` are those that may be shown.

    A budget with members stands as the member of whom least is left.
    """
    wanted = list(budgets)
    shown = _standing_accounts(wanted, at, accounts).distinct("budget_id")
    tightest = {account.budget_id: account for account in shown}
    missing = [each for each in wanted if each.pk not in tightest]
    unopened = _unopened_limits(missing, at)
    return [_standing(each, tightest.get(each.pk), unopened.get(each.pk, 0), at) for each in wanted]


def member_standings(*, budget: Budget, at: datetime, accounts: QuerySet[Account] | None = None) -> list[Standing]:
    """Return how each member of the budget stands who spent in this period, those with least left first."""
    return [_standing(budget, account, 0, at) for account in _standing_accounts([budget], at, accounts)]


def with_limits(*, accounts: QuerySet[Account], at: datetime) -> QuerySet[Account]:
    """Return the accounts with `effective_nano`, the limit in force at the instant, and whose they are.

    A period that was over by then has the limit of its last moment: today's increases are not its own.
    """
    last_moment = ExpressionWrapper(F("ends_at") - timedelta(microseconds=1), output_field=DateTimeField())
    limit = _LimitAt(Least(Value(at, output_field=DateTimeField()), last_moment))
    return accounts.annotate(effective_nano=limit).select_related("user", "key")


def member_text(account: Account | Increase) -> str:
    """Say whose share it is: "person ada@acme.example"; nothing where everybody shares."""
    if account.user is not None:
        return f"person {account.user.email}"
    return f"key {account.key.name}" if account.key is not None else ""


def scope_text(found: Budget) -> str:
    """Say whose budget it is: "team default"."""
    for kind, owner in (("key", found.key), ("person", found.user), ("team", found.team), ("unit", found.unit)):
        if owner is not None:
            return f"{kind} {owner}"
    return f"organisation {found.organisation}"


def narrowed_to(found: Budget) -> list[tuple[str, str]]:
    """Return what calls must have to be paid from it, as kind and name: ("provider", "openai"). Empty: all are paid."""
    named = (
        ("models", found.model_pattern),
        ("model group", found.model_group.name if found.model_group is not None else ""),
        ("provider", found.provider),
        ("tag", tag_text(found.tag_name, found.tag_value) if found.tag_name else ""),
    )
    return [(kind, name) for kind, name in named if name]


def _standing_accounts(
    budgets: Sequence[Budget], at: datetime, accounts: QuerySet[Account] | None
) -> QuerySet[Account]:
    """The accounts of the current periods: of each budget the one with least left first."""
    shown = Account.objects.all() if accounts is None else accounts
    current = shown.filter(budget__in=budgets, starts_at__lte=at, ends_at__gt=at)
    left = F("effective_nano") - F("settled_nano") - F("held_nano")
    return with_limits(accounts=current, at=at).order_by("budget_id", left, "id")


def _unopened_limits(budgets: Sequence[Budget], at: datetime) -> dict[int, int]:
    if not budgets:
        return {}
    starts = [window_of(each).period_at(at).starts_at for each in budgets]
    with connection.cursor() as cursor:
        cursor.execute(_UNOPENED, [at, [each.pk for each in budgets], starts])
        return dict(cursor.fetchall())


def _standing(found: Budget, account: Account | None, unopened_nano: int, at: datetime) -> Standing:
    if account is None:
        return Standing(
            budget=found,
            member="",
            period=window_of(found).period_at(at),
            limit_nano=unopened_nano,
            carried_nano=0,
            settled_nano=0,
            held_nano=0,
        )
    return Standing(
        budget=found,
        member=member_text(account),
        period=Period(account.starts_at, account.ends_at),
        limit_nano=account.effective_nano,  # type: ignore[attr-defined]  # annotated by with_limits
        carried_nano=account.carried_nano,
        settled_nano=account.settled_nano,
        held_nano=account.held_nano,
    )
