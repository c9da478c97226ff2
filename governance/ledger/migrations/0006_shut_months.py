from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_day_sums")]

    operations = [
        migrations.RunSQL(
            (_SQL / "0006_shut_months.sql").read_text(encoding="utf-8"),
            reverse_sql=(_SQL / "0006_undo.sql").read_text(encoding="utf-8"),
        ),
    ]
