from datetime import timedelta

from django.db import connection
from django.test import Client

from governance.console.pages.overview import overview
from governance.metering.operations import forget_old_refusals
from governance.viewing.viewer import Viewer, viewer_of
from tests.console.conftest import LogIn
from tests.console.demo import NOW, Call, Company, book


def _viewer(company: Company, name: str) -> Viewer:
    viewer = viewer_of(user=company.person(name), origin="")
    assert viewer is not None
    return viewer


def test_an_empty_installation_teaches_what_to_do(company: Company, log_in: LogIn) -> None:
    text = log_in("admin").get("/").content.decode()

    assert "The first call with a virtual key shows up here" in text
    assert "$0.00" in text


def test_a_new_call_shows_in_the_figures(company: Company, log_in: LogIn) -> None:
    client: Client = log_in("admin")
    before = client.get("/overview/figures/").content.decode()
    book(company, Call(key="chat-app", model="falcon-large", at=NOW, read=1_000_000, written=100_000))

    after = client.get("/overview/figures/").content.decode()

    assert "$3.50" not in before
    assert after.count("$3.50") >= 4
    assert "chat-app" in after


def test_the_sums_by_day_team_model_and_key_agree_with_the_total(busy_company: Company) -> None:
    page = overview(viewer=_viewer(busy_company, "admin"), now=NOW)

    for rows in (page.teams, page.models, page.keys, page.days):
        assert sum(row.total.charge_nano for row in rows) == page.total.charge_nano
        assert sum(row.total.requests for row in rows) == page.total.requests
    assert page.total.requests == 24 * 3 + 2


def test_a_call_is_counted_on_the_day_of_the_organisations_zone(company: Company) -> None:
    # Half past eleven at night in UTC is the next day in Berlin.
    late = NOW.replace(day=3, hour=23, minute=30)
    book(company, Call(key="lab", model="sandbox-1", at=late, read=1000, written=0))

    page = overview(viewer=_viewer(company, "admin"), now=NOW)

    assert [day.day.day for day in page.days if day.total.requests] == [4]


def test_a_call_of_last_month_is_left_out(company: Company) -> None:
    book(company, Call(key="lab", model="sandbox-1", at=NOW - timedelta(days=40), read=1000, written=0))

    assert overview(viewer=_viewer(company, "admin"), now=NOW).total.requests == 0


def test_an_owner_sees_the_team_and_a_developer_only_their_own_calls(busy_company: Company) -> None:
    owner = overview(viewer=_viewer(busy_company, "owner"), now=NOW)
    developer = overview(viewer=_viewer(busy_company, "developer"), now=NOW)

    assert {row.name for row in owner.keys} == {"search-production", "search-ada"}
    assert {row.name for row in developer.keys} == {"search-ada"}
    assert developer.total.requests == 2
    assert developer.suspense.attempts == 0


def test_money_of_unknown_outcome_is_announced(busy_company: Company, log_in: LogIn) -> None:
    text = log_in("admin").get("/").content.decode()

    assert "1 call of unknown outcome" in text
    assert "$1.31" in text


def test_the_chart_has_a_table_with_the_same_days(busy_company: Company, log_in: LogIn) -> None:
    text = log_in("admin").get("/").content.decode()

    assert text.count("<g><title>") == 30
    assert "Show as a table" in text
    assert '<th scope="row">24 November</th>' in text


def test_the_whole_page_asks_the_database_a_fixed_number_of_times(
    busy_company: Company, log_in: LogIn, django_assert_max_num_queries: object
) -> None:
    client = log_in("admin")
    with django_assert_max_num_queries(28):  # type: ignore[operator] # pytest-django's context manager
        client.get("/")


def test_the_pace_the_movers_and_the_vendors_of_today_are_told(busy_company: Company) -> None:
    last_month = NOW.replace(month=10, day=3)
    for _ in range(2):
        book(busy_company, Call(key="lab", model="falcon-large", at=last_month, read=90_000_000, written=0))
    book(busy_company, Call(key="lab", model="falcon-large", at=NOW.replace(month=10, day=29), read=9**9, written=0))
    page = overview(viewer=_viewer(busy_company, "admin"), now=NOW)

    assert page.forecast_nano is not None and page.forecast_nano > page.total.charge_nano
    research = next(mover for mover in page.movers if mover.name == "research")
    assert research.before_nano == 450 * 10**9, "what came after the same day of the month is left out"
    assert research.change_nano < 0
    (vendor,) = page.vendors
    assert (vendor.name, vendor.total.requests) == ("sandbox", page.days[-1].total.requests)


def test_what_was_refused_is_told_by_reason_to_whom_it_concerns(busy_company: Company) -> None:
    keys = busy_company.keys
    refused = [
        (NOW, "lab", "budget_exceeded", 3),
        (NOW - timedelta(hours=2), "lab", "budget_exceeded", 2),
        (NOW, "chat-app", "budget_exceeded", 1),
        (NOW, "chat-app", "a_code_of_tomorrow", 1),
        (NOW - timedelta(days=40), "lab", "budget_exceeded", 7),
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT metering_add_refusals(%s::timestamptz[], %s::bigint[], %s::text[], %s::bigint[])",
            [list(column) for column in zip(*[(at, keys[key].pk, *rest) for at, key, *rest in refused], strict=True)],
        )
    page = overview(viewer=_viewer(busy_company, "admin"), now=NOW)
    assert [(line.reason, line.refused.requests, line.refused.key, line.most) for line in page.refused] == [
        ("Budget spent", 6, "lab", "83 %"),
        ("a_code_of_tomorrow", 1, "chat-app", "all of them"),
    ]
    owner = overview(viewer=_viewer(busy_company, "developer"), now=NOW)
    assert sum(line.refused.requests for line in owner.refused) < 7
    forget_old_refusals(at=NOW + timedelta(days=500))
    assert overview(viewer=_viewer(busy_company, "admin"), now=NOW).refused == []
