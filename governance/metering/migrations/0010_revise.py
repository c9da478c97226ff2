from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metering", "0003_lock_owner"), ("ledger", "0003_revisions"), ("budgets", "0002_accounts")]

    operations = [migrations.RunSQL((_SQL / "0010_revise.sql").read_text(encoding="utf-8"))]
