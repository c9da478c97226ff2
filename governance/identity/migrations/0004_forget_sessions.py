from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0003_scim"),
        ("sessions", "0001_initial"),
        ("usersessions", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(
            (_SQL / "0004_forget_sessions.sql").read_text(encoding="utf-8"),
            "DROP FUNCTION identity_forget_sessions()",
        )
    ]
