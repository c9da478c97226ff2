"""Allowances of rate limits, and the functions that take from them."""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


_SQL = Path(__file__).parent.parent / "sql"
_UNDO = """
    DROP FUNCTION metering_take(
        bigint, bigint, integer[], bigint[], bigint[], timestamptz[], bigint[], bigint[], bigint[], bigint[], bigint[]);
    DROP FUNCTION metering_window_end(policy_ratelimit, timestamptz);
    DROP FUNCTION metering_window_start(policy_ratelimit, timestamptz);
    DROP FUNCTION metering_left(metering_allowance, policy_ratelimit);
    DROP FUNCTION metering_open_allowance(bigint, bigint, bigint);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0001_initial'),
        ('metering', '0006_revise'),
        ('policy', '0004_rate_limits'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Allowance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('window_starts_at', models.DateTimeField(blank=True, null=True)),
                ('taken', models.BigIntegerField(db_default=0, default=0)),
                ('key', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_allowances', to='keys.virtualkey')),
                ('rate_limit', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allowances', to='policy.ratelimit')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_allowances', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Allotment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount', models.BigIntegerField()),
                ('sequence', models.BigIntegerField()),
                ('used_at', models.DateTimeField()),
                ('epoch', models.ForeignKey(db_column='epoch', on_delete=django.db.models.deletion.PROTECT, related_name='allotments', to='metering.worker')),
                ('allowance', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allotments', to='metering.allowance')),
            ],
        ),
        migrations.AddConstraint(
            model_name='allowance',
            constraint=models.UniqueConstraint(fields=('rate_limit', 'user', 'key'), name='a_member_has_one_allowance', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='allowance',
            constraint=models.CheckConstraint(condition=models.Q(('user__isnull', True), ('key__isnull', True), _connector='OR'), name='an_allowance_is_of_one_member_at_most'),
        ),
        migrations.AddConstraint(
            model_name='allowance',
            constraint=models.CheckConstraint(condition=models.Q(('taken__gte', 0)), name='what_is_taken_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='allotment',
            constraint=models.UniqueConstraint(fields=('epoch', 'allowance'), name='an_epoch_has_one_allotment_per_allowance'),
        ),
        migrations.AddConstraint(
            model_name='allotment',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gte', 0)), name='an_allotment_is_not_negative'),
        ),
        migrations.RunSQL((_SQL / "0010_take.sql").read_text(encoding="utf-8"), _UNDO),
    ]
