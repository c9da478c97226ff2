from django.test import Client

from tests.console.conftest import LogIn
from tests.console.demo import PASSWORD, Company


def test_a_stranger_is_sent_to_the_log_in_page(company: Company) -> None:
    answer = Client().get("/budgets/")

    assert answer.status_code == 302
    assert answer["Location"] == "/account/login/?next=/budgets/"


def test_somebody_logs_in_with_address_and_password_and_out_again(company: Company) -> None:
    client = Client()
    email = company.person("admin").email

    entered = client.post("/account/login/", {"login": email, "password": PASSWORD}, follow=True)
    left = client.post("/account/logout/", follow=True)

    assert b"Spend this month" in entered.content
    assert entered.redirect_chain == [("/", 302)]
    assert client.get("/").status_code == 302
    assert left.status_code == 200


def test_a_wrong_password_is_refused_without_saying_which_part_was_wrong(company: Company) -> None:
    answer = Client().post("/account/login/", {"login": company.person("admin").email, "password": "wrong"})

    assert answer.status_code == 200
    assert b"not correct" in answer.content


def test_nobody_signs_up(company: Company) -> None:
    answer = Client().get("/account/signup/")

    assert b"closed" in answer.content.lower()


def test_pages_are_never_stored_and_allow_no_foreign_or_inline_code(company: Company, log_in: LogIn) -> None:
    for client, path in ((log_in("admin"), "/"), (Client(), "/account/login/")):
        answer = client.get(path)
        policy = answer["Content-Security-Policy"]

        assert answer["Cache-Control"] == "no-store"
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert b" style=" not in answer.content
        assert b"<style" not in answer.content


def test_somebody_in_no_team_is_told_whom_to_ask(company: Company, log_in: LogIn) -> None:
    answer = log_in("outsider").get("/")

    assert answer.status_code == 403
    assert "Ask an administrator" in answer.content.decode()


def test_somebody_in_no_team_can_still_log_out(company: Company, log_in: LogIn) -> None:
    assert b"Log out" in log_in("outsider").get("/").content


def test_an_address_that_does_not_exist_helps(company: Company, log_in: LogIn) -> None:
    answer = log_in("admin").get("/nowhere/")

    assert answer.status_code == 404
    assert b"Back to the overview" in answer.content
