"""A company with teams, keys and models, whose calls are booked by the real SQL functions."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.db import connection

from governance.budgets.models import Account, Budget
from governance.catalog.models import Deployment, LanguageModel
from governance.connections.models import Connection
from governance.core.windows import BEGINNING, END, WindowKind
from governance.keys.models import VirtualKey
from governance.metering.models import Attempt, Worker
from governance.teams.models import BusinessUnit, CostCentre, Organisation, Team

Lines = Mapping[str, tuple[int, str]]
"""Token class to (quantity, exact cost in nano-USD)."""

NOVEMBER = datetime(2026, 11, 10, 12, tzinfo=UTC)
_EXACT = Context(prec=80)


@dataclass(frozen=True)
class Call:
    """One attempt: who called what, when, and what it cost. Without `price_ids` its prices are rows that are gone."""

    key: VirtualKey
    model: LanguageModel
    lines: Lines
    at: datetime = NOVEMBER
    accounts: Sequence[Account] = ()
    held_nano: int = 10**15
    price_ids: Sequence[int | None] = ()
    is_estimated: bool = False
    service_tier: str = "standard"
    vendor_cost_nano: str | None = None


@dataclass
class FinanceWorld:
    """One organisation; add to it what a test needs."""

    organisation: Organisation
    unit: BusinessUnit
    vendor: Connection
    worker: Worker
    _sequence: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def cost_centre(self, code: str, **fields: object) -> CostCentre:
        made = CostCentre.objects.create(organisation=self.organisation, code=code)
        # Cost centres of the past: the books of the test lie before the database's clock.
        CostCentre.objects.filter(pk=made.pk).update(**{"created_at": datetime(2020, 1, 1, tzinfo=UTC), **fields})
        made.refresh_from_db()
        return made

    def team(self, name: str, cost_centre: CostCentre) -> Team:
        return Team.objects.create(organisation=self.organisation, unit=self.unit, cost_centre=cost_centre, name=name)

    def key(self, team: Team, name: str = "laptop") -> VirtualKey:
        return VirtualKey.objects.create(organisation=self.organisation, team=team, name=name)

    def model(self, name: str, provider: str = "openai") -> LanguageModel:
        return LanguageModel.objects.create(provider=provider, name=name, title=name)

    def account(
        self, name: str, limit_nano: int, *, starts_at: datetime = BEGINNING, ends_at: datetime = END, **scope: object
    ) -> Account:
        budget = Budget.objects.create(
            organisation=self.organisation, name=name, limit_nano=limit_nano, window=WindowKind.TOTAL, **scope
        )
        return Account.objects.create(budget=budget, starts_at=starts_at, ends_at=ends_at, limit_nano=limit_nano)

    def close_month(self, month: date) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ledger_accountingperiod (organisation_id, month) VALUES (%s, %s)",
                [self.organisation.pk, month],
            )

    def suspend(self, call: Call) -> Attempt:
        """Leave an attempt in suspense, at an instant of the test's choice."""
        team = call.key.team
        account_ids = sorted(account.pk for account in call.accounts)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE budgets_account SET held_nano = held_nano + %s WHERE id = ANY (%s)",
                [call.held_nano, account_ids],
            )
        return Attempt.objects.create(
            id=uuid4(),
            request_id=uuid4(),
            epoch=self.worker,
            suspense_reason="answer_lost",
            admitted_at=call.at,
            held_nano=call.held_nano,
            account_ids=account_ids,
            organisation_id=self.organisation.pk,
            unit_id=self.unit.pk,
            cost_centre_id=team.cost_centre_id,
            team_id=team.pk,
            key_id=call.key.pk,
            model_id=call.model.pk,
            deployment_id=self._deployment(call).pk,
            connection_id=self.vendor.pk,
            alias=call.model.name,
            wire="openai.chat",
            is_stream=False,
        )

    def book(self, *calls: Call) -> list[UUID]:
        """Book these calls in one flush, as facts that no lease paid for; return their attempts."""
        rows = [self._attempt(call) | _outcome(call) for call in calls]
        accounts = sorted({account.pk for call in calls for account in call.accounts})
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT metering_flush(%s, %s, %s, %s::json, '{}', '{}', '[]')",
                [self.worker.pk, next(self._sequence), accounts, msgspec.json.encode(rows).decode()],
            )
            assert cursor.fetchone() != (None,)
        return [row["attempt_id"] for row in rows]

    def _attempt(self, call: Call) -> dict[str, Any]:
        return {
            "attempt_id": uuid4(),
            "request_id": uuid4(),
            "admitted_at": call.at,
            "reserved_nano": call.held_nano,
            "leased_nano": 0,
            "held_apart_nano": 0,
            "account_ids": sorted(account.pk for account in call.accounts),
            "organisation_id": self.organisation.pk,
            "unit_id": self.unit.pk,
            "cost_centre_id": call.key.team.cost_centre_id,
            "team_id": call.key.team_id,
            "key_id": call.key.pk,
            "model_id": call.model.pk,
            "deployment_id": self._deployment(call).pk,
            "connection_id": self.vendor.pk,
            "alias": call.model.name,
            "wire": "openai.chat",
            "is_stream": False,
            "tags": {},
        }

    def _deployment(self, call: Call) -> Deployment:
        deployment, _ = Deployment.objects.get_or_create(
            model=call.model, connection=self.vendor, upstream_name=call.model.name
        )
        return deployment


def make_world(zone: str = "UTC") -> FinanceWorld:
    organisation = Organisation.objects.create(name=f"Company {uuid4()}", zone=zone)
    return FinanceWorld(
        organisation=organisation,
        unit=BusinessUnit.objects.create(organisation=organisation, name="Research"),
        vendor=Connection.objects.create(
            organisation=organisation, name="vendor", provider="sandbox", base_url="http://127.0.0.1:9"
        ),
        worker=Worker.objects.create(host="here", process_id=1, lock_name=str(uuid4())),
    )


def exact_cost(lines: Lines) -> Decimal:
    total = Decimal(0)
    for _, cost in lines.values():
        total = _EXACT.add(total, Decimal(cost))
    return total


def charge(lines: Lines) -> int:
    return int(exact_cost(lines).to_integral_value(rounding=ROUND_CEILING, context=_EXACT))


def _outcome(call: Call) -> dict[str, Any]:
    return {
        "ending": "settled",
        "reason": "ok",
        "http_status": 200,
        "served_model": call.model.name,
        "service_tier": call.service_tier,
        "is_estimated": call.is_estimated,
        "input_tokens": call.lines.get("input", (0, "0"))[0],
        "output_tokens": call.lines.get("output", (0, "0"))[0],
        "classes": list(call.lines),
        "quantities": [quantity for quantity, _ in call.lines.values()],
        "price_ids": list(call.price_ids) or [1] * len(call.lines),
        "costs_nano": [cost for _, cost in call.lines.values()],
        "cost_nano": f"{exact_cost(call.lines):f}",
        "charge_nano": charge(call.lines),
        "vendor_cost_nano": call.vendor_cost_nano,
        "rating_rule": 1,
        "raw_usage": None,
        "first_byte_milliseconds": None,
        "total_milliseconds": 10,
    }
