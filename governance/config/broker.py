"""The embedded broker: queues as tables in the schema `pgmq` of the same PostgreSQL.

The owner installs the schema and makes the queue. Celery declares its queue whenever it connects, which is a CREATE
TABLE IF NOT EXISTS: the limited roles may call that one function with the owner's rights, and own nothing.
"""

import msgspec
import psycopg
from pgmq.install import get_embedded_install_sql, get_embedded_sql_version
from psycopg import sql

from governance.core.database_url import role_name

QUEUE = "celery"
VISIBILITY_SECONDS = 3600
TASK_SECONDS = 3000  # shorter than a message stays invisible, so that no task runs twice at once
PREFETCHED_MESSAGES = 4


class BrokerSettings(msgspec.Struct, frozen=True):
    """What Celery must know: its URL, the transport class (None: the URL says it), the transport's options."""

    url: str
    transport: str | None
    options: dict[str, object]


def broker_settings(broker_url: str | None, database_url: str) -> BrokerSettings:
    """Return the settings for CELERY_BROKER_URL, or without it for this database."""
    if broker_url is not None:
        return BrokerSettings(broker_url, None, {"visibility_timeout": VISIBILITY_SECONDS})
    options: dict[str, object] = {
        "database_url": database_url,
        "polling_interval": 0.1,
        "wait_time_seconds": 0,
        "visibility_timeout": VISIBILITY_SECONDS,
    }
    return BrokerSettings("pgmq://localhost", "governance.config.pgmq_transport:Transport", options)


def install_broker(connection: psycopg.Connection) -> None:
    """Install the queue's schema (once) and give console and worker the use of it. Needs the owner."""
    console, worker = (sql.Identifier(role_name(connection.info.dbname, role)) for role in ("console", "worker"))
    with connection.transaction():
        row = connection.execute("SELECT to_regclass('pgmq.meta') IS NULL").fetchone()
        if row is not None and row[0]:
            connection.execute(get_embedded_install_sql().encode())
        connection.execute("SELECT pgmq.create(%s)", [QUEUE])
        connection.execute("ALTER FUNCTION pgmq.create(text) SECURITY DEFINER SET search_path = pgmq, pg_temp")
        for statement in _GRANTS:
            connection.execute(sql.SQL(statement).format(console, worker))


def broker_version() -> str:
    """Return the version of the schema that this installation carries."""
    return get_embedded_sql_version()


_GRANTS = (
    "GRANT USAGE ON SCHEMA pgmq TO {}, {}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgmq TO {}, {}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA pgmq TO {}, {}",
)
