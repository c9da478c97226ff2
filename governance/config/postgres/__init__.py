"""The embedded PostgreSQL: a real server from a wheel, run as our own child by an unprivileged user."""

from governance.config.postgres.server import EmbeddedPostgres, PostgresFailed

__all__ = ["EmbeddedPostgres", "PostgresFailed"]
