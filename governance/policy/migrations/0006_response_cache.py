"""Teams that keep answers, heard of by the gateways."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('policy', '0005_guards'),
        ('teams', '0002_regions'),
    ]

    operations = [
        migrations.CreateModel(
            name='ResponseCache',
            fields=[
                ('team', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='response_cache', serialize=False, to='teams.team')),
                ('ttl_seconds', models.PositiveIntegerField()),
                ('max_bytes', models.PositiveIntegerField()),
                ('patterns', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), blank=True, db_default=[], default=list, size=None)),
                ('is_any_temperature', models.BooleanField(db_default=False, default=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('max_bytes__gt', 0), ('ttl_seconds__gt', 0)), name='a_cache_keeps_something_for_some_time')],
            },
        ),
        migrations.RunSQL(
            """
            CREATE TRIGGER policy_hears_of_it AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON policy_responsecache
                FOR EACH STATEMENT EXECUTE FUNCTION policy_changed()
            """,
            "DROP TRIGGER policy_hears_of_it ON policy_responsecache",
        ),
    ]
