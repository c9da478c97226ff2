"""A small company with a month of calls: what the console's tests and screenshots look at. All figures are made up."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from functools import cache
from uuid import UUID, uuid5

from django.contrib.auth.hashers import make_password
from django.db import transaction

from governance.alerts.models import Crossing, Delivery, Drift, Recipient
from governance.audit.operations import Actor
from governance.budgets.models import Account, Budget, Increase, IncreaseRequest, Threshold
from governance.budgets.operations import change
from governance.catalog.models import (
    AccessGroup,
    AliasTarget,
    Deployment,
    LanguageModel,
    ModelAlias,
    Price,
    PriceBook,
)
from governance.connections.models import Connection
from governance.core.windows import Window, WindowKind
from governance.identity.invitations import Wish, invite
from governance.identity.models import GroupRule, IdentityProvider, ScimToken
from governance.keys.models import KeySecret, KeyUse, VirtualKey
from governance.ledger.models import Entry, LedgerAccount, Posting, UsageRecord
from governance.metering.models import Attempt, Worker
from governance.policy.models import AllowRule, RateLimit
from governance.teams.models import BusinessUnit, CostCentre, Membership, Organisation, OrganisationRole, Team, User
from governance.teams.operations import keep_in_regions
from governance.teams.people import Part, Role
from governance.tokens.models import Token
from tests.console.demo_finance import leave_statements

PASSWORD = "correct horse battery staple"
NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
_NAMESPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
# (input, output) in nano-USD per token.
_PRICES = {"sandbox-1": ("1000", "2000"), "falcon-large": ("2500", "10000"), "falcon-mini": ("150.3", "600")}


@dataclass
class Company:
    """The organisation and what it has, by name."""

    organisation: Organisation
    teams: dict[str, Team] = field(default_factory=dict)
    keys: dict[str, VirtualKey] = field(default_factory=dict)
    people: dict[str, User] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    limits: dict[str, RateLimit] = field(default_factory=dict)
    models: dict[str, LanguageModel] = field(default_factory=dict)
    prices: dict[str, tuple[Price, Price]] = field(default_factory=dict)
    connection: Connection | None = None
    suspense_id: UUID | None = None
    statement_id: int | None = None
    increase_id: int | None = None
    request_id: int | None = None
    alias_id: int | None = None
    group_id: int | None = None
    rule_id: int | None = None
    recipient_id: int | None = None
    invitation_id: int | None = None
    provider_id: int | None = None
    group_rule_id: int | None = None
    scim_token_id: int | None = None
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))

    def person(self, name: str) -> User:
        """Return who logs in as name@acme.example."""
        return self.people[name]

    def latest_record(self, *, key: str = "search-ada") -> UsageRecord:
        """The newest call with this key."""
        return UsageRecord.objects.filter(key=self.keys[key]).order_by("-admitted_at")[0]


@transaction.atomic
def found_company(*, name: str = "Acme Robotics") -> Company:
    """Make the organisation, its teams, people, models, keys and budgets; nothing has been called yet."""
    company = Company(organisation=Organisation.objects.create(name=name, zone="Europe/Berlin"))
    _add_teams(company)
    _add_people(company)
    _add_invitation(company)
    _add_models(company)
    _add_keys(company)
    _add_budgets(company)
    _add_rate_limits(company)
    _add_rules(company)
    return company


def _add_teams(company: Company) -> None:
    unit = BusinessUnit.objects.create(organisation=company.organisation, name="Products")
    for number, name in enumerate(("search", "assistant", "research"), start=4711):
        centre = CostCentre.objects.create(organisation=company.organisation, code=str(number), name=name.capitalize())
        company.teams[name] = Team.objects.create(
            organisation=company.organisation, unit=unit, cost_centre=centre, name=name
        )


def _add_invitation(company: Company) -> None:
    invitation = invite(
        actor=Actor(name=company.person("admin").email),
        at=NOW,
        wish=Wish(
            organisation_id=company.organisation.pk,
            email=f"newcomer@{company.organisation.pk}.acme.example",
            roles=frozenset({Role.FINANCE}),
            parts={company.teams["search"].pk: Part.DEVELOPER},
        ),
    )
    company.invitation_id = invitation.pk
    company.provider_id = IdentityProvider.objects.create(
        organisation=company.organisation,
        kind=IdentityProvider.Kind.OIDC,
        slug=f"okta-{company.organisation.pk}",
        name="Acme Okta",
        issuer="https://acme.okta.example",
        client_id="bursar",
        domains=["acme.example"],
    ).pk
    company.scim_token_id = ScimToken.objects.create(
        organisation=company.organisation,
        name="Entra ID",
        public_id=f"{company.organisation.pk:012d}",
        digest=bytes(32),
        created_at=NOW,
    ).pk
    company.group_rule_id = GroupRule.objects.create(
        organisation=company.organisation, group="llm-finance", role=Role.FINANCE
    ).pk


def _add_people(company: Company) -> None:
    for name in ("admin", "finance", "auditor", "owner", "developer", "outsider"):
        email = f"{name}@{company.organisation.pk}.acme.example"
        company.people[name] = User.objects.create(username=email, email=email, password=_password_hash())
    for role in ("admin", "finance", "auditor"):
        OrganisationRole.objects.create(user=company.people[role], organisation=company.organisation, role=role)
    search = company.teams["search"]
    Membership.objects.create(user=company.people["owner"], team=search, part=Membership.Part.OWNER)
    Membership.objects.create(user=company.people["developer"], team=search, part=Membership.Part.DEVELOPER)


def pass_thresholds(company: Company, *, now: datetime) -> None:
    """Let a budget have passed a threshold, of which a recipient could not be told, and a vendor's cost go apart."""
    account = Account.objects.filter(budget=company.budgets["Research, large models"]).order_by("-starts_at")[0]
    crossing = Crossing.objects.create(
        account=account,
        threshold=account.budget.thresholds.get(percent=50),
        settled_nano=account.settled_nano,
        limit_nano=account.limit_nano,
        crossed_at=now,
    )
    Delivery.objects.create(
        crossing=crossing, recipient_id=company.recipient_id or 0, attempts=3, last_error="The mail server is away."
    )
    Drift.objects.create(
        organisation=company.organisation,
        connection="sandbox",
        model="falcon-large",
        day=now.date(),
        calls=120,
        apart=17,
        cost_nano=Decimal(5_520_000_000),
        vendor_cost_nano=Decimal(5_810_000_000),
        furthest=company.latest_record(key="lab").attempt_id,
        noticed_at=now,
    )


def service_token(company: Company) -> Token:
    """Return the token of a service, made when it is first asked for."""
    token, _ = Token.objects.get_or_create(
        organisation=company.organisation,
        name="deploy",
        defaults={
            "scopes": ["all:read"],
            "public_id": f"demo{company.organisation.pk}",
            "digest": bytes(32),
        },
    )
    return token


def leave_a_trail(company: Company) -> None:
    """Change some things as people do, so that the trail has something to show."""
    actor = Actor(name=company.person("admin").email, origin="192.0.2.7", organisation_id=company.organisation.pk)
    search = company.teams["search"]
    keep_in_regions(actor=actor, organisation_id=company.organisation.pk, team_id=search.pk, regions=["eu"])
    keep_in_regions(actor=actor, organisation_id=company.organisation.pk, team_id=search.pk, regions=[])
    change(actor=actor, budget_id=company.budgets["Search"].pk, limit_nano=130 * 10**9, reason="the fair in May")
    change(actor=actor, budget_id=company.budgets["Search"].pk, limit_nano=120 * 10**9, reason="the fair is over")


def welcome_newcomer(company: Company) -> None:
    """Let somebody administer an organisation that has nothing yet: what its pages show are their empty states."""
    email = f"newcomer@{company.organisation.pk}.acme.example"
    company.people["newcomer"] = User.objects.create(username=email, email=email, password=_password_hash())
    organisation = Organisation.objects.create(name=f"{company.organisation.name} Next", zone="UTC")
    OrganisationRole.objects.create(user=company.people["newcomer"], organisation=organisation, role="admin")


@cache
def _password_hash() -> str:
    """Hashing is slow on purpose: once is enough."""
    return make_password(PASSWORD)


def _add_models(company: Company) -> None:
    company.connection = Connection.objects.create(
        organisation=company.organisation, name="sandbox", provider="sandbox", base_url="http://127.0.0.1:9"
    )
    book, _ = PriceBook.objects.get_or_create(name="manual", defaults={"rank": 10, "source": "manual"})
    for name, (read, written) in _PRICES.items():
        model, _ = LanguageModel.objects.get_or_create(
            provider="sandbox", name=name, defaults={"title": name.replace("-", " ").title(), "context_tokens": 128_000}
        )
        deployment = Deployment.objects.create(model=model, connection=company.connection, upstream_name=name)
        alias = ModelAlias.objects.create(organisation=company.organisation, name=name)
        AliasTarget.objects.create(alias=alias, deployment=deployment)
        company.models[name] = model
        company.prices[name] = (_price(book, model, "input", read), _price(book, model, "output", written))


def _price(book: PriceBook, model: LanguageModel, token_class: str, nano: str) -> Price:
    price, _ = Price.objects.get_or_create(
        book=book,
        model=model,
        token_class=token_class,
        defaults={
            "nano_per_unit": Decimal(nano),
            "effective_from": datetime(2026, 1, 1, tzinfo=UTC),
            "source": "price list of January 2026",
        },
    )
    return price


def _add_keys(company: Company) -> None:
    holders = {"search-production": "search", "search-ada": "search", "chat-app": "assistant", "lab": "research"}
    for name, team in holders.items():
        company.keys[name] = VirtualKey.objects.create(
            organisation=company.organisation,
            team=company.teams[team],
            user=company.people["developer"] if name == "search-ada" else None,
            name=name,
            expires_at=datetime(2027, 3, 1, tzinfo=UTC) if name == "lab" else None,
        )
        key = company.keys[name]
        KeySecret.objects.create(key=key, public_id=f"demo{key.pk:08d}", digest=bytes(32))


def _add_budgets(company: Company) -> None:
    rows = (
        ("Whole company", {}, 250, WindowKind.MONTH, "hard", ""),
        ("Search", {"team": company.teams["search"]}, 120, WindowKind.MONTH, "hard", ""),
        ("Assistant", {"team": company.teams["assistant"]}, 70, WindowKind.MONTH, "hard", ""),
        ("Research, large models", {"team": company.teams["research"]}, 8, WindowKind.WEEK, "soft", "*-large"),
        ("Lab key", {"key": company.keys["lab"]}, 60, WindowKind.TOTAL, "hard", ""),
    )
    for name, scope, dollars, window, enforcement, pattern in rows:
        company.budgets[name] = Budget.objects.create(
            organisation=company.organisation,
            name=name,
            limit_nano=dollars * 10**9,
            window=window.value,
            zone="Europe/Berlin",
            enforcement=enforcement,
            model_pattern=pattern,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            **scope,
        )
        for percent in (50, 80, 100):
            Threshold.objects.create(budget=company.budgets[name], percent=percent)


def _add_rate_limits(company: Company) -> None:
    rows: tuple[tuple[str, dict[str, object]], ...] = (
        ("Everybody, a minute", {"counts": "requests", "amount": 6000, "window": "minute"}),
        ("Search, a day", {"counts": "tokens", "amount": 20_000_000, "window": "day", "team": company.teams["search"]}),
        ("Lab at once", {"counts": "concurrent", "amount": 4, "key": company.keys["lab"]}),
    )
    for name, what in rows:
        company.limits[name] = RateLimit.objects.create(organisation=company.organisation, name=name, **what)


def _add_rules(company: Company) -> None:
    """A route over two deployments, and lists that restrict the team search and one key."""
    smart = ModelAlias.objects.create(organisation=company.organisation, name="smart", routing="weight")
    for position, name in enumerate(("falcon-large", "falcon-mini")):
        deployment = company.models[name].deployments.get(connection=company.connection)
        AliasTarget.objects.create(alias=smart, deployment=deployment, position=position, weight=3 - 2 * position)
    group = AccessGroup.objects.create(organisation=company.organisation, name="everyday", patterns=["*-mini", "smart"])
    search, key = company.teams["search"], company.keys["search-ada"]
    company.rule_id = AllowRule.objects.create(organisation=company.organisation, team=search, pattern="falcon-*").pk
    AllowRule.objects.create(organisation=company.organisation, team=search, access_group=group)
    AllowRule.objects.create(organisation=company.organisation, key=key, access_group=group)
    company.alias_id, company.group_id = smart.pk, group.pk


def _ask_for_more(company: Company, *, now: datetime) -> None:
    """The developer asks for more for the team, which has an increase to come already."""
    search = company.budgets["Search"]
    starts_at = now + timedelta(days=7)
    company.increase_id = Increase.objects.create(
        budget=search, amount_nano=5 * 10**9, starts_at=starts_at, ends_at=starts_at + timedelta(days=7), reason="fair"
    ).pk
    company.request_id = IncreaseRequest.objects.create(
        budget=search, requested_by=company.people["developer"], amount_nano=30 * 10**9, reason="load test"
    ).pk


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call to be booked as the gateway would have booked it."""

    key: str
    model: str
    at: datetime
    read: int
    written: int
    status: int = 200
    is_stream: bool = False


@transaction.atomic
def book(company: Company, call: Call) -> UsageRecord:
    """Book a call: record, entry, postings, budget accounts, last use."""
    key, model = company.keys[call.key], company.models[call.model]
    accounts = [_account(budget, call) for budget in _path(company, key, call.model)]
    prices = company.prices[call.model]
    quantities = [call.read, call.written]
    costs = [quantity * price.nano_per_unit for quantity, price in zip(quantities, prices, strict=True)]
    cost = sum(costs, Decimal(0))
    charge = int(cost.to_integral_value(rounding=ROUND_CEILING))
    record = UsageRecord.objects.create(
        attempt_id=uuid5(_NAMESPACE, f"{company.organisation.pk} {next(company.numbers)}"),
        revision=1,
        admitted_at=call.at,
        settled_at=call.at + timedelta(seconds=2),
        request_id=uuid5(_NAMESPACE, f"request {company.organisation.pk} {next(company.numbers)}"),
        entry=_entry(company, key, cost, charge, call.at),
        epoch=1,
        organisation=company.organisation,
        unit=key.team.unit,
        cost_centre=key.team.cost_centre,
        team=key.team,
        key=key,
        user=key.user,
        model=model,
        deployment=model.deployments.filter(connection=company.connection).get(),
        connection=company.connection,
        alias=call.model,
        wire="openai.chat",
        served_model=call.model,
        service_tier="standard",
        is_stream=call.is_stream,
        is_estimated=False,
        outcome="ok" if call.status < 400 else "vendor_refused",
        http_status=call.status,
        input_tokens=call.read,
        output_tokens=call.written,
        classes=["input", "output"],
        quantities=quantities,
        price_ids=[price.pk for price in prices],
        costs_nano=costs,
        cost_nano=cost,
        charge_nano=charge,
        reserved_nano=charge * 3,
        rating_rule=1,
        account_ids=sorted(account.pk for account in accounts),
        tags={"feature": "answers"},
        first_byte_milliseconds=180,
        total_milliseconds=900 + call.written // 4,
    )
    for account in accounts:
        account.settled_nano += charge
        account.save(update_fields=["settled_nano"])
    KeyUse.objects.update_or_create(key=key, defaults={"last_used_at": call.at})
    return record


def _path(company: Company, key: VirtualKey, model: str) -> list[Budget]:
    """Return the budgets that pay: patterns here only ever say "*-large"."""
    return [
        budget
        for budget in company.budgets.values()
        if budget.team_id in (None, key.team_id)
        and budget.key_id in (None, key.pk)
        and (not budget.model_pattern or model.endswith("-large"))
    ]


def _account(budget: Budget, call: Call) -> Account:
    period = Window(kind=WindowKind(budget.window), zone=budget.zone).period_at(call.at)
    account, _ = Account.objects.get_or_create(
        budget=budget,
        starts_at=period.starts_at,
        defaults={"ends_at": period.ends_at, "limit_nano": budget.limit_nano},
    )
    return account


def _entry(company: Company, key: VirtualKey, cost: Decimal, charge: int, at: datetime) -> Entry:
    owed = int(cost.to_integral_value(rounding=ROUND_CEILING))
    entry = Entry.objects.create(
        organisation=company.organisation, kind=Entry.Kind.USAGE, month=at.date().replace(day=1), epoch=1
    )
    for kind, who, amount in (
        ("cost_centre_expense", {"cost_centre": key.team.cost_centre}, charge),
        ("provider_payable", {"connection": company.connection}, -owed),
    ):
        account, _ = LedgerAccount.objects.get_or_create(organisation=company.organisation, kind=kind, **who)
        Posting.objects.create(entry=entry, account=account, amount_nano=amount)
    return entry


@transaction.atomic
def suspend(company: Company, *, key: str, nano: int, at: datetime) -> Attempt:
    """Leave an attempt of unknown outcome."""
    worker, _ = Worker.objects.get_or_create(host="here", process_id=1, defaults={"lock_name": "demo"})
    held_by, model = company.keys[key], company.models["falcon-large"]
    call = Call(key=key, model="falcon-large", at=at, read=0, written=0)
    accounts = [_account(budget, call) for budget in _path(company, held_by, call.model)]
    for account in accounts:
        account.held_nano += nano
        account.save(update_fields=["held_nano"])
    assert company.connection is not None
    return Attempt.objects.create(
        id=uuid5(_NAMESPACE, f"held {company.organisation.pk} {next(company.numbers)}"),
        request_id=uuid5(_NAMESPACE, f"held request {next(company.numbers)}"),
        epoch=worker,
        suspense_reason="gateway_process_died",
        admitted_at=at,
        held_nano=nano,
        account_ids=sorted(account.pk for account in accounts),
        organisation_id=company.organisation.pk,
        unit_id=held_by.team.unit_id,
        cost_centre_id=held_by.team.cost_centre_id,
        team_id=held_by.team_id,
        key_id=held_by.pk,
        user_id=held_by.user_id,
        model_id=model.pk,
        deployment_id=model.deployments.filter(connection=company.connection).get().pk,
        connection_id=company.connection.pk,
        alias="falcon-large",
        wire="openai.chat",
        is_stream=True,
    )


@transaction.atomic
def spend_a_month(company: Company, *, now: datetime = NOW) -> None:
    """Book calls on every day of the month until now, leave one in suspense, and last month's statements."""
    for day in range(1, now.day + 1):
        at = min(now.replace(day=day, hour=10), now - timedelta(minutes=30))
        weekday = at.weekday() < 5
        for number, (key, model) in enumerate(
            (("search-production", "falcon-large"), ("chat-app", "falcon-mini"), ("lab", "falcon-large"))
        ):
            size = (day * 7919 + number * 104_729) % 97 + (60 if weekday else 5)
            call = Call(
                key=key,
                model=model,
                at=at + timedelta(minutes=number * 3, seconds=day),
                read=size * 9_000,
                written=size * (1_100 if number == 0 else 2_400 if number == 1 else 130),
                is_stream=number != 2,
                status=429 if (day + number) % 11 == 0 else 200,
            )
            book(company, call)
    book(company, Call(key="search-ada", model="sandbox-1", at=now - timedelta(minutes=2), read=1_234, written=567))
    book(company, Call(key="search-ada", model="falcon-mini", at=now - timedelta(minutes=1), read=1_234, written=567))
    company.suspense_id = suspend(company, key="lab", nano=1_310_000_000, at=now - timedelta(hours=3)).pk
    company.recipient_id = Recipient.objects.create(
        organisation=company.organisation, notifier="mail", destination="finance@acme.example"
    ).pk
    _ask_for_more(company, now=now)
    company.statement_id = leave_statements(company, now=now)
