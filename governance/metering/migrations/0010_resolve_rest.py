from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metering", "0009_one_posting")]

    operations = [
        migrations.RunSQL(
            (_SQL / "0014_resolve_rest.sql").read_text(encoding="utf-8"),
            "DROP FUNCTION metering_resolve_rest(uuid, text, json)",
        )
    ]
