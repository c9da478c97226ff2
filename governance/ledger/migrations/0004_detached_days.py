from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

_SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_revisions")]

    operations = [
        migrations.RunSQL(
            (_SQL / "0004_detached_days.sql").read_text(encoding="utf-8"),
            reverse_sql=(_SQL / "0004_undo.sql").read_text(encoding="utf-8"),
        ),
        migrations.CreateModel(
            name='DayAccountSum',
            fields=[
                ('pk', models.CompositePrimaryKey('detachment_id', 'account_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.BigIntegerField()),
                ('charge_nano', models.BigIntegerField()),
            ],
            options={
                'db_table': 'ledger_dayaccountsum',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='DayEntrySum',
            fields=[
                ('pk', models.CompositePrimaryKey('detachment_id', 'entry_id', 'organisation_id', 'cost_centre_id', 'connection_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('entry_id', models.BigIntegerField()),
                ('organisation_id', models.BigIntegerField()),
                ('cost_centre_id', models.BigIntegerField()),
                ('connection_id', models.BigIntegerField()),
                ('records', models.BigIntegerField()),
                ('charge_nano', models.BigIntegerField()),
                ('cost_nano', models.DecimalField(decimal_places=18, max_digits=60)),
            ],
            options={
                'db_table': 'ledger_dayentrysum',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='DayUsageSum',
            fields=[
                ('pk', models.CompositePrimaryKey('detachment_id', 'organisation_id', 'cost_centre_id', 'month', 'team_id', 'key_id', 'model_id', 'is_correction', blank=True, editable=False, primary_key=True, serialize=False)),
                ('organisation_id', models.BigIntegerField()),
                ('cost_centre_id', models.BigIntegerField()),
                ('month', models.DateField()),
                ('team_id', models.BigIntegerField()),
                ('key_id', models.BigIntegerField()),
                ('model_id', models.BigIntegerField()),
                ('is_correction', models.BooleanField()),
                ('records', models.BigIntegerField()),
                ('input_tokens', models.BigIntegerField()),
                ('output_tokens', models.BigIntegerField()),
                ('classes', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('quantities', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('costs_nano', django.contrib.postgres.fields.ArrayField(base_field=models.DecimalField(decimal_places=18, max_digits=60), size=None)),
                ('cost_nano', models.DecimalField(decimal_places=18, max_digits=60)),
                ('charge_nano', models.BigIntegerField()),
            ],
            options={
                'db_table': 'ledger_dayusagesum',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='DetachedDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('detached_at', models.DateTimeField()),
                ('records', models.BigIntegerField()),
                ('fingerprint', models.DecimalField(decimal_places=0, max_digits=60)),
                ('digest', models.TextField()),
            ],
            options={
                'db_table': 'ledger_detachedday',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='ReattachedDay',
            fields=[
                ('detachment', models.OneToOneField(on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='end', serialize=False, to='ledger.detachedday')),
                ('attached_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'ledger_reattachedday',
                'managed': False,
            },
        ),
    ]
