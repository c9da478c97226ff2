from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

_SQL = Path(__file__).parent.parent / "sql"
_DROP = """
DROP FUNCTION jobs_begin(uuid, text, bigint, bigint, double precision);
DROP FUNCTION jobs_note(uuid, text, text, text, double precision);
DROP FUNCTION jobs_drop(uuid);
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('metering', '0011_durable_reservations'),
    ]

    operations = [
        migrations.CreateModel(
            name='Job',
            fields=[
                ('reservation', models.OneToOneField(db_column='id', on_delete=django.db.models.deletion.PROTECT,
                primary_key=True, related_name='job', serialize=False, to='metering.durablereservation')), ('kind',
                models.TextField(help_text='JobKind: the API, and what it is there.')), ('team_id',
                models.BigIntegerField(help_text='Whose it is: keys of this team find it.')), ('connection_id',
                models.BigIntegerField()), ('state', models.TextField(choices=[('sending', 'Sending'), ('open', 'Open'),
                ('ended', 'Ended')], db_default='sending', default='sending')), ('vendor_id',
                models.TextField(db_default='', default='')), ('status', models.TextField(db_default='', default='',
                help_text="The vendor's word.")), ('shown', models.TextField(db_default='', default='')),
                ('looks', models.IntegerField(db_default=0, default=0)),
                ('next_look_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'ended'), _negated=True), fields=['next_look_at'],
                name='jobs_to_look_at'), models.Index(fields=['team_id', 'kind', '-created_at'],
                name='jobs_of_a_team')], 'constraints': [models.UniqueConstraint(condition=models.Q(('vendor_id', ''),
                _negated=True), fields=('connection_id', 'kind', 'vendor_id'), name='a_job_at_a_vendor_is_known_once')],
            },
        ),
        migrations.RunSQL((_SQL / "0001_jobs.sql").read_text(encoding="utf-8"), _DROP),
    ]
