from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("budgets", "0006_members_and_increases")]

    operations = [migrations.RunSQL((_SQL / "0007_limits.sql").read_text(encoding="utf-8"))]
