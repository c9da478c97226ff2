"""Prices by hand in the console."""

from datetime import timedelta
from decimal import Decimal

from governance.catalog.models import Price
from governance.catalog.queries import prices_in_force
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Company, found_company


def test_an_administrator_sets_prices_from_now_and_from_a_day_to_come_on(company: Company, log_in: LogIn) -> None:
    model = company.models["falcon-large"]
    Price.objects.filter(model=model).delete()
    client, address = log_in("admin"), f"/models/{model.pk}/price/"
    assert "Set prices" in client.get(f"/models/{model.pk}/").content.decode()

    client.post(address, {"price_input": "2.50", "price_output": "$1,000", "is_confirmed": "on"})
    coming = (NOW + timedelta(days=30)).date()
    answer = client.post(address, {"price_input": "2", "price_output": "900", "effective_on": f"{coming}"}, follow=True)

    assert "are set" in answer.content.decode()
    now = {row.token_class: row.nano_per_unit for row in prices_in_force(model_ids=[model.pk], at=NOW)[model.pk]}
    later = prices_in_force(model_ids=[model.pk], at=NOW + timedelta(days=31))[model.pk]
    assert now == {"input": Decimal(2500), "output": Decimal(1_000_000)}
    assert {row.token_class: row.nano_per_unit for row in later} == {"input": Decimal(2000), "output": Decimal(900_000)}


def test_what_is_wrong_is_said_and_nothing_is_lost(company: Company, log_in: LogIn) -> None:
    model = company.models["falcon-large"]
    before = list(Price.objects.order_by("id").values_list("id", "nano_per_unit", "effective_to"))
    client, address = log_in("admin"), f"/models/{model.pk}/price/"

    unreadable = client.post(address, {"price_input": "cheap", "price_output": "10"}).content.decode()
    unusual = client.post(address, {"price_input": "0.00001", "price_output": "10"}).content.decode()
    alone = client.post(address, {"price_input": "1"}).content.decode()

    assert "Write a price such as 2.50" in unreadable
    assert 'value="cheap"' in unreadable
    assert "is it a price per thousand" in unusual
    assert "price for input and for output" in alone
    assert list(Price.objects.order_by("id").values_list("id", "nano_per_unit", "effective_to")) == before


def test_the_catalogue_of_several_organisations_is_the_operators(company: Company, log_in: LogIn) -> None:
    found_company(name="Other Company")
    client = log_in("admin")
    address = f"/models/{company.models['falcon-large'].pk}/"
    assert client.get(f"{address}price/").status_code == 403
    assert "Set prices" not in client.get(address).content.decode()
