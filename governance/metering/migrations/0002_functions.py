from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_initial"), ("budgets", "0002_accounts"), ("ledger", "0002_books")]

    operations = [
        migrations.RunSQL((_SQL / name).read_text(encoding="utf-8"))
        for name in ("0002_workers.sql", "0003_reserve.sql", "0004_flush.sql")
    ]
