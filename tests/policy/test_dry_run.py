"""What would become of a call, without making it."""

from collections.abc import Callable
from datetime import date

import pytest

from governance.catalog.models import Deployment, ModelAlias, Price
from governance.connections.models import Connection
from governance.policy.dry_run import Asked, DryRun, dry_run
from governance.policy.errors import RuleRefused
from governance.teams.models import Team
from tests.console.demo import NOW, Company, found_company

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return found_company()


def ask(
    company: Company, *, team: str = "research", key: str = "", providers: tuple[str, ...] = ("sandbox",)
) -> DryRun:
    asked = Asked(
        alias=ModelAlias.objects.get(pk=company.alias_id),
        team=company.teams[team],
        key=company.keys[key] if key else None,
    )
    return dry_run(asked=asked, at=NOW, strategies={}, providers=providers)


def order(found: DryRun) -> list[str]:
    return [step.deployment.upstream_name for step in found.asked]


def large(company: Company) -> Deployment:
    return Deployment.objects.get(upstream_name="falcon-large", connection=company.connection)


@pytest.mark.parametrize(
    ("routing", "names", "reason"),
    [
        ("order", ["falcon-large", "falcon-mini"], "stands first"),
        ("weight", ["falcon-large", "falcon-mini"], "75 of 100"),
        ("price", ["falcon-mini", "falcon-large"], "at most 0.0004503 USD"),
        ("latency", ["falcon-large", "falcon-mini"], "Only the gateway processes know"),
        ("magic", ["falcon-large", "falcon-mini"], "No installed plugin offers the strategy magic"),
    ],
)
def test_the_order_is_the_strategys(company: Company, routing: str, names: list[str], reason: str) -> None:
    ModelAlias.objects.filter(pk=company.alias_id).update(routing=routing)
    found = ask(company)
    assert (order(found), found.refusal) == (names, "")
    assert reason in found.asked[0].reason


def turn_off(company: Company) -> None:
    Deployment.objects.filter(pk=large(company).pk).update(is_enabled=False)


def move_to_us(company: Company) -> None:
    Team.objects.filter(pk=company.teams["research"].pk).update(regions=["eu"])
    Deployment.objects.filter(upstream_name="falcon-mini").update(region="eu-central-1")
    Deployment.objects.filter(pk=large(company).pk).update(region="us")


def retire(company: Company) -> None:
    model = company.models["falcon-large"]
    model.retires_on = date(2026, 11, 23)
    model.save()


def unprice(company: Company) -> None:
    Price.objects.filter(model=company.models["falcon-large"]).delete()


def give_away(company: Company) -> None:
    own = Connection.objects.create(
        organisation=company.organisation,
        name="own",
        provider="sandbox",
        base_url="http://x",
        team=company.teams["search"],
    )
    Deployment.objects.filter(pk=large(company).pk).update(connection=own)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (turn_off, "taken out of use"),
        (move_to_us, "It is in us, and team research keeps its requests in eu."),
        (retire, "retired the model on 2026-11-23"),
        (unprice, "no price"),
        (give_away, "own account of team search"),
    ],
)
def test_what_is_left_out_says_why(company: Company, change: Callable[[Company], None], reason: str) -> None:
    change(company)
    company.teams["research"].refresh_from_db()
    found = ask(company)
    assert order(found) == ["falcon-mini"]
    assert [reason in step.reason for step in found.left_out] == [True]


def test_an_own_account_serves_its_team_alone_unless_the_alias_lets_others_follow(company: Company) -> None:
    give_away(company)
    assert order(ask(company, team="search")) == ["falcon-large"]
    ModelAlias.objects.filter(pk=company.alias_id).update(leaves_own=True, routing="price")
    assert order(ask(company, team="search")) == ["falcon-large", "falcon-mini"]


def test_a_refusal_names_who_refuses(company: Company) -> None:
    assert "team search" in (ask(company, team="search").decision.level or "")
    assert ask(company, providers=()).refusal == "It has no working connection to a provider."
    company.keys["lab"].revoked_at = NOW
    assert "revoked" in ask(company, key="lab").refusal
    company.teams["research"].archived_at = NOW
    assert "archived" in ask(company).refusal
    with pytest.raises(RuleRefused, match="another organisation"):
        dry_run(
            asked=Asked(
                alias=ModelAlias.objects.get(pk=company.alias_id), team=found_company(name="Other").teams["search"]
            ),
            at=NOW,
            strategies={},
            providers=(),
        )
