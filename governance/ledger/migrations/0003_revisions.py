from pathlib import Path

from django.db import migrations, models

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_books")]

    operations = [
        migrations.RunSQL((_SQL / "0003_revisions.sql").read_text(encoding="utf-8")),
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.CheckConstraint(
                condition=~models.Q(kind="rerate") | (models.Q(corrects__isnull=False) & ~models.Q(reason="")),
                name="a_rerate_says_what_it_corrects_and_why",
            ),
        ),
    ]
