from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent.parent / "sql"


def _as_before(name: str) -> str:
    """The functions of an earlier file, in place of what stands now."""
    return (_SQL / name).read_text(encoding="utf-8").replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [("metering", "0008_fail_over"), ("ledger", "0004_detached_days")]

    operations = [
        migrations.RunSQL(
            (_SQL / "0010_posting.sql").read_text(encoding="utf-8"),
            reverse_sql=_as_before("0007_book.sql") + _as_before("0009_revise.sql"),
        )
    ]
