from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    # policy_changed() is policy's.
    dependencies = [("prompts", "0001_initial"), ("policy", "0002_policy_version")]

    operations = [migrations.RunSQL((_SQL / "0002_stored.sql").read_text(encoding="utf-8"))]
