from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metering", "0004_leases"), ("budgets", "0003_limit_at")]

    operations = [
        migrations.RunSQL((_SQL / name).read_text(encoding="utf-8"))
        for name in ("0005_workers.sql", "0006_grant.sql", "0007_book.sql", "0008_flush.sql")
    ]
