"""Each database role may do what it needs and no more."""

import psycopg
import pytest
from psycopg import sql

from governance.core.database_url import DatabaseRole


@pytest.mark.parametrize("role", ["gateway", "console", "worker"])
def test_every_role_can_connect_and_none_may_change_the_schema(
    database_urls: dict[DatabaseRole, str], role: DatabaseRole
) -> None:
    with psycopg.connect(database_urls[role], autocommit=True) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("CREATE TABLE loophole (id int)")


@pytest.mark.parametrize("role", ["gateway", "worker"])
@pytest.mark.parametrize("table", ["account_emailaddress", "django_session", "mfa_authenticator"])
def test_the_gateway_and_the_worker_cannot_read_log_in_tables(
    database_urls: dict[DatabaseRole, str], role: DatabaseRole, table: str
) -> None:
    with (
        psycopg.connect(database_urls[role], autocommit=True) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
