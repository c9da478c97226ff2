from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"
_BACK = """
    DROP TRIGGER a_lowered_limit_is_recalled ON budgets_account;
    DROP TRIGGER a_withdrawn_increase_is_recalled ON budgets_increase;
    DROP FUNCTION budgets_recall();
    DROP FUNCTION budgets_recall_increase();
    DROP FUNCTION budgets_recall_ended(double precision);
    DROP FUNCTION budgets_reopen_account(bigint, bigint, bigint, bigint, timestamptz, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [("budgets", "0007_limits")]

    operations = [
        migrations.RunSQL(
            "\n".join((_SQL / name).read_text(encoding="utf-8") for name in ("0008_reopen.sql", "0008_recall.sql")),
            reverse_sql=_BACK,
        )
    ]
