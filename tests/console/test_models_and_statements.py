from datetime import date, timedelta
from decimal import Decimal

from governance.catalog.hours import text_of
from governance.catalog.models import LanguageModel, Price, PriceBook
from governance.chargeback.models import Statement
from governance.plugin import PriceHours
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Company


def test_models_on_offer_show_their_price_now(company: Company, log_in: LogIn) -> None:
    text = log_in("developer").get("/models/").content.decode()

    assert "falcon-large" in text
    assert "$2.50" in text
    assert "$10.00" in text


def test_a_model_that_no_connection_offers_is_in_the_whole_catalogue_only(company: Company, log_in: LogIn) -> None:
    LanguageModel.objects.create(
        provider="elsewhere", name="far-away", title="Far away", retires_on=NOW.date() - timedelta(days=1)
    )
    client = log_in("admin")

    assert "far-away" not in client.get("/models/").content.decode()
    whole = client.get("/models/", {"show": "catalogue", "q": "far"}).content.decode()
    assert "far-away" in whole
    assert "Retired" in whole
    assert "no price" in whole


def test_a_model_shows_what_was_is_and_will_be_charged(company: Company, log_in: LogIn) -> None:
    model = company.models["falcon-large"]
    price = company.prices["falcon-large"][0]
    price.effective_to = NOW + timedelta(days=7)
    price.save()
    Price.objects.create(
        book=price.book,
        model=model,
        token_class="input",
        nano_per_unit=Decimal(3000),
        effective_from=NOW + timedelta(days=7),
        source="announcement",
    )
    other = PriceBook.objects.create(name="list", rank=30, source="list")
    Price.objects.create(
        book=other, model=model, token_class="input", nano_per_unit=Decimal(9000), effective_from=NOW, source="list"
    )

    text = log_in("auditor").get(f"/models/{model.pk}/").content.decode()

    assert all(word in text for word in ("In force", "Coming", "Outranked", "$3.00", "announcement"))
    assert "Other hours" not in text


def test_a_price_by_the_hour_shows_its_hours_and_whether_it_counts_now(company: Company, log_in: LogIn) -> None:
    model = company.models["falcon-large"]
    always = PriceHours(zone="Asia/Shanghai", weekdays=(1, 2, 3, 4, 5, 6, 7), windows=(("00:00", "24:00"),))
    price = company.prices["falcon-large"][0]
    price.pk, price.nano_per_unit, price.hours = None, Decimal(7777), text_of(always)
    price.save(force_insert=True)

    text = log_in("auditor").get(f"/models/{model.pk}/").content.decode()

    assert all(word in text for word in ("In force", "Other hours", "00:00-24:00 Asia/Shanghai", "$7.777"))


def test_finance_downloads_a_statement_as_it_was_written(busy_company: Company, log_in: LogIn) -> None:
    client = log_in("finance")

    listed = client.get("/statements/").content.decode()
    answer = client.get(f"/statements/{busy_company.statement_id}/download/")

    assert "October 2026" in listed
    assert answer.content == bytes(Statement.objects.get(pk=busy_company.statement_id).content)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="statement-2026-10-4713-v1.csv"'


def test_before_the_first_statement_the_page_says_when_it_comes(company: Company, log_in: LogIn) -> None:
    assert "No statements yet" in log_in("finance").get("/statements/").content.decode()


def test_a_developer_is_not_offered_statements(company: Company, log_in: LogIn) -> None:
    assert "/statements/" not in log_in("developer").get("/").content.decode()


def test_statements_are_shown_a_month_at_a_time_the_newest_first(busy_company: Company, log_in: LogIn) -> None:
    newest = Statement.objects.order_by("-month")[0]
    older = Statement.objects.create(
        organisation=newest.organisation,
        cost_centre=newest.cost_centre,
        month=date(2025, 3, 1),
        total_nano=77_770_000_000,
        content=b"",
        sha256="0" * 64,
    )
    client = log_in("finance")
    first = client.get("/statements/").content.decode()
    assert f"/statements/{newest.pk}/download/" in first
    assert f"/statements/{older.pk}/download/" not in first
    assert "March 2025" in first
    assert "$77.77" in client.get("/statements/?month=2025-03").content.decode()
    for nowhere in ("2025-04", "soon"):
        assert f"/statements/{newest.pk}/download/" in client.get(f"/statements/?month={nowhere}").content.decode()
