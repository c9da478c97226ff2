from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_SQL = Path(__file__).parent.parent / "sql"
_DROP = """
DROP FUNCTION metering_add_refusals(timestamptz[], bigint[], text[], bigint[]);
DROP FUNCTION metering_forget_refusals(timestamptz);
"""

class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0001_initial'),
        ('metering', '0011_durable_reservations'),
        ('teams', '0003_unit_owners'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='RefusalSum',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.DateTimeField(help_text="The hour's beginning.")),
                ('code', models.TextField(help_text="The error's code.")),
                ('requests', models.BigIntegerField()),
                ('key', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='keys.virtualkey')),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='teams.organisation')),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='teams.team')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['organisation', 'hour'], name='refusals_by_organisation')],
                'constraints': [models.UniqueConstraint(fields=('hour', 'key', 'code'), name='refusals_are_summed_once_an_hour'), models.CheckConstraint(condition=models.Q(('requests__gt', 0)), name='a_sum_of_refusals_is_positive')],
            },
        ),
        migrations.RunSQL((_SQL / "0016_refusals.sql").read_text(encoding="utf-8"), _DROP),
    ]
