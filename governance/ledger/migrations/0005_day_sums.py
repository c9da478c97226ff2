from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_detached_days"), ("teams", "0001_initial")]

    operations = [
        migrations.RunSQL(
            (_SQL / "0005_day_sums.sql").read_text(encoding="utf-8"),
            reverse_sql=(_SQL / "0005_undo.sql").read_text(encoding="utf-8"),
        ),
    ]
