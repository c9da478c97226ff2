from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metering", "0005_lease_functions"), ("ledger", "0003_revisions")]

    operations = [migrations.RunSQL((_SQL / "0009_revise.sql").read_text(encoding="utf-8"))]
