"""Spend added up by team, key and model."""

from datetime import date
from decimal import Decimal

import msgspec

from governance.chargeback.report import make_report
from governance.ledger.monthly import Spend


def _spend(team: int, key: int, model: int, charge: int) -> Spend:
    return Spend(
        team_id=team,
        team=f"team {team}",
        key_id=key,
        key=f"key {key}",
        model_id=model,
        model=f"vendor/model {model}",
        requests=2,
        input_tokens=10,
        output_tokens=5,
        cost_nano=Decimal(charge) - Decimal("0.25"),
        charge_nano=charge,
    )


def test_every_grouping_adds_up_to_the_total() -> None:
    report = make_report(date(2026, 11, 1), [_spend(1, 1, 1, 10), _spend(1, 2, 2, 30), _spend(2, 3, 1, 50)])
    for lines in (report.teams, report.keys, report.models):
        assert sum(line.charge_nano for line in lines) == report.total.charge_nano == 90
        assert sum(line.requests for line in lines) == report.total.requests == 6
        assert sum(line.cost_nano for line in lines) == report.total.cost_nano == Decimal("89.25")


def test_the_dearest_comes_first() -> None:
    report = make_report(date(2026, 11, 1), [_spend(1, 1, 1, 10), _spend(1, 2, 2, 30), _spend(2, 3, 1, 50)])
    assert [line.name for line in report.teams] == ["team 2", "team 1"]
    assert [line.name for line in report.models] == ["vendor/model 1", "vendor/model 2"]


def test_two_keys_of_the_same_name_stay_apart() -> None:
    one, other = _spend(1, 1, 1, 10), msgspec.structs.replace(_spend(2, 2, 1, 10), key="key 1")
    report = make_report(date(2026, 11, 1), [one, other])
    assert [line.name for line in report.keys] == ["key 1", "key 1"]
    assert [line.id for line in report.keys] == [1, 2]


def test_a_month_without_calls_has_a_total_of_nothing() -> None:
    report = make_report(date(2026, 11, 1), [])
    assert (report.teams, report.total.requests, report.total.cost_nano) == ((), 0, Decimal(0))
