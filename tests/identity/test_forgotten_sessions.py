"""Sessions that are over are forgotten by the worker, which may not look at those that stand."""

from datetime import timedelta

import psycopg
import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from governance.core.database_url import DatabaseRole
from governance.teams.models import User


def test_the_worker_forgets_what_is_over_and_nothing_else(database_urls: dict[DatabaseRole, str]) -> None:
    person = User.objects.create_user("ada", email="ada@acme.example")
    now = timezone.now()
    for key, hours in (("over", -1), ("standing", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=now + timedelta(hours=hours))
    for key in ("over", "standing", "gone"):
        UserSession.objects.create(user=person, ip="192.0.2.1", session_key=key)

    with psycopg.connect(database_urls["worker"], autocommit=True) as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT * FROM django_session")
        assert session.execute("SELECT identity_forget_sessions()").fetchone() == (1,)
        assert session.execute("SELECT identity_forget_sessions()").fetchone() == (0,)

    assert [each.session_key for each in Session.objects.all()] == ["standing"]
    assert [each.session_key for each in UserSession.objects.all()] == ["standing"]
