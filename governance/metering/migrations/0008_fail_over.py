from pathlib import Path

import django.contrib.postgres.functions
import django.db.models.functions.datetime
from django.db import migrations, models

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("metering", "0007_rate_limits"), ("budgets", "0008_recall")]

    operations = [
        migrations.CreateModel(
            name="Timeline",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.IntegerField()),
                ("token", models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID())),
                ("taken_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "grants_from",
                    models.DateTimeField(help_text="Before it nothing is granted: processes say what they hold."),
                ),
            ],
        ),
        *(
            migrations.RunSQL((_SQL / name).read_text(encoding="utf-8"))
            for name in ("0012_fail_over.sql", "0013_on_a_timeline.sql")
        ),
    ]
