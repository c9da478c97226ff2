from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

_SQL = Path(__file__).parent.parent / "sql"
_DROP = """
DROP FUNCTION jobs_keep_file(bigint, bigint, bigint, text, text, text, bytea, text);
DROP FUNCTION jobs_own_files(uuid, text[]);
DROP FUNCTION jobs_forget_file(bigint);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0001_jobs'),
    ]

    operations = [
        migrations.CreateModel(
            name='File',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('team_id', models.BigIntegerField()),
                ('connection_id', models.BigIntegerField()),
                ('deployment_id', models.BigIntegerField(null=True)),
                ('vendor_id', models.TextField()),
                ('wire', models.TextField(db_default='', default='')),
                ('alias', models.TextField(db_default='', default='')),
                ('lines', models.BinaryField(null=True)),
                ('shown', models.TextField(db_default='', default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('deleted_at', models.DateTimeField(null=True)),
                ('job', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='files', to='jobs.job')),
            ],
            options={
                'indexes': [models.Index(fields=['team_id', '-created_at'], name='files_of_a_team')],
                'constraints': [models.UniqueConstraint(fields=('connection_id', 'vendor_id'), name='a_file_at_a_vendor_is_known_once')],
            },
        ),
        migrations.RunSQL((_SQL / "0002_files.sql").read_text(encoding="utf-8"), _DROP),
    ]
