"""What a release changes in the database, done as its owner: roles, migrations, the broker's schema, grants.

`bursar prepare` runs it, and `bursar up` does when its code is not the one that prepared the database. Idempotent.
"""

import argparse
import os
import sys

# Read by the settings when Django is imported below.
os.environ["BURSAR_DATABASE_ROLE"] = "owner"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.config.settings")

import django
import psycopg
from django.core.management import call_command

from governance.config.broker import install_broker
from governance.config.database.grants import apply_grants
from governance.config.database.roles import RolesMissing, prepare_roles
from governance.config.database.stamp import UNDER_WAY, code_stamp, write_stamp
from governance.core.environment import Environment, EnvironmentInvalid, read_environment

_EPILOG = """
Needs DATABASE_URL (the owner), and BURSAR_GATEWAY_DATABASE_URL, BURSAR_CONSOLE_DATABASE_URL and
BURSAR_WORKER_DATABASE_URL, whose users are named after the database: they are made when they are missing.

example:
  DATABASE_URL=postgresql://owner@db/bursar bursar prepare
"""


def prepare_database(environment: Environment) -> None:
    """Make roles, migrate, install the queue's schema, say anew who may what, and leave a mark."""
    with psycopg.connect(environment.database_url("owner"), autocommit=True, connect_timeout=10) as session:
        write_stamp(session, UNDER_WAY)
        prepare_roles(session, environment)
        django.setup()
        call_command("migrate", interactive=False, verbosity=0)
        install_broker(session)
        apply_grants(session)
        write_stamp(session, code_stamp())


def main() -> int:
    """Prepare and return the exit code."""
    argparse.ArgumentParser(
        prog="bursar prepare",
        description="Bring the database to this release. Safe to repeat; run it once per release, before the rest.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        prepare_database(read_environment(os.environ))
    except (EnvironmentInvalid, RolesMissing, psycopg.OperationalError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
