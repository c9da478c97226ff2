from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

_SQL = Path(__file__).parent.parent / "sql"
_DROP = """
DROP FUNCTION metering_hold_durably(json, bigint[], uuid[], text[], bigint[]);
DROP FUNCTION metering_settle_lines(uuid, json);
DROP FUNCTION metering_end_durable(uuid, jsonb);
DROP FUNCTION metering_durable_facts(metering_durablereservation, uuid, bigint);
DROP FUNCTION metering_lock_durable(uuid);
DROP FUNCTION metering_nobody();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('metering', '0010_resolve_rest'),
    ]

    operations = [
        migrations.CreateModel(
            name='DurableReservation',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('request_id', models.UUIDField()),
                ('admitted_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('reserved_nano', models.BigIntegerField()),
                ('held_nano', models.BigIntegerField()),
                ('account_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), size=None)),
                ('organisation_id', models.BigIntegerField()),
                ('unit_id', models.BigIntegerField()),
                ('cost_centre_id', models.BigIntegerField()),
                ('team_id', models.BigIntegerField()),
                ('key_id', models.BigIntegerField()),
                ('user_id', models.BigIntegerField(null=True)),
                ('model_id', models.BigIntegerField()),
                ('deployment_id', models.BigIntegerField()),
                ('connection_id', models.BigIntegerField()),
                ('alias', models.TextField()),
                ('wire', models.TextField()),
                ('tags', models.JSONField(default=dict)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('ended_at__isnull', True)), fields=['admitted_at'], name='durable_reservations_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(('held_nano__gte', 0)), name='a_durable_hold_is_not_negative'), models.CheckConstraint(condition=models.Q(('ended_at__isnull', True), ('held_nano', 0), _connector='OR'), name='an_ended_reservation_holds_nothing')],
            },
        ),
        migrations.CreateModel(
            name='DurableLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attempt_id', models.UUIDField()),
                ('name', models.TextField()),
                ('reserved_nano', models.BigIntegerField()),
                ('durable', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='metering.durablereservation')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('durable', 'name'), name='a_line_has_a_name_of_its_own'), models.CheckConstraint(condition=models.Q(('reserved_nano__gte', 0)), name='a_line_holds_nothing_negative')],
            },
        ),
        migrations.RunSQL((_SQL / "0015_durable.sql").read_text(encoding="utf-8"), _DROP),
    ]
