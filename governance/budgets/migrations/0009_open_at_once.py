from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("budgets", "0008_recall")]

    operations = [
        migrations.RunSQL(
            (_SQL / "0009_open_at_once.sql").read_text(encoding="utf-8"),
            # The function it replaces differs in what it does at one and the same moment only: it can stay.
            reverse_sql=migrations.RunSQL.noop,
        )
    ]
