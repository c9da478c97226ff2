"""What a release changes in the database, run as its owner: migrations, the broker's schema, grants.

`python -m governance.config.preparation`, with BURSAR_DATABASE_ROLE=owner. Idempotent.
"""

import django
import psycopg
from django.conf import settings
from django.core.management import call_command

from governance.config.broker import install_broker
from governance.config.database.grants import apply_grants


def prepare_database() -> None:
    """Migrate, install the queue's schema, and say anew who may what."""
    call_command("migrate", interactive=False, verbosity=0)
    with psycopg.connect(settings.ENVIRONMENT.database_url("owner")) as session:
        install_broker(session)
        apply_grants(session)


if __name__ == "__main__":
    django.setup()
    prepare_database()
