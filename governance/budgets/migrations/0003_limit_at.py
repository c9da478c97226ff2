from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("budgets", "0002_accounts")]

    operations = [migrations.RunSQL((_SQL / "0003_limit_at.sql").read_text(encoding="utf-8"))]
