"""Rate limits, heard of by the gateways like everything their snapshot is made of."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0002_access_groups'),
        ('keys', '0001_initial'),
        ('policy', '0003_access_groups_moved'),
        ('teams', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='RateLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.TextField()),
                ('model_pattern', models.TextField(blank=True, db_default='', default='')),
                ('provider', models.TextField(blank=True, db_default='', default='')),
                ('counts', models.TextField(choices=[('requests', 'requests'), ('tokens', 'tokens'), ('concurrent', 'concurrent')])),
                ('amount', models.BigIntegerField()),
                ('window', models.TextField(blank=True, choices=[('minute', 'minute'), ('hour', 'hour'), ('day', 'day')], null=True)),
                ('sharing', models.TextField(choices=[('pooled', 'Pooled'), ('per_member', 'Per Member')], db_default='pooled', default='pooled')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('retired_at', models.DateTimeField(blank=True, null=True)),
                ('key', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_limits', to='keys.virtualkey')),
                ('model_group', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_limits', to='catalog.accessgroup')),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rate_limits', to='teams.organisation')),
                ('team', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_limits', to='teams.team')),
                ('unit', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_limits', to='teams.businessunit')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rate_limits', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name', 'id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='a_rate_limit_allows_something'), models.CheckConstraint(condition=models.Q(('counts__in', ['requests', 'tokens', 'concurrent'])), name='a_rate_limit_counts_something'), models.CheckConstraint(condition=models.Q(models.Q(('counts', 'concurrent'), ('window__isnull', True)), models.Q(models.Q(('counts', 'concurrent'), _negated=True), ('window__in', ['minute', 'hour', 'day'])), _connector='OR'), name='a_rate_is_per_window_and_concurrency_is_not'), models.CheckConstraint(condition=models.Q(('model_pattern', ''), ('model_group__isnull', True), _connector='OR'), name='a_rate_limit_names_a_pattern_or_a_group'), models.CheckConstraint(condition=models.Q(('sharing', 'pooled'), models.Q(('key__isnull', True), ('user__isnull', True)), _connector='OR'), name='a_rate_limit_of_one_person_or_key_has_no_members'), models.UniqueConstraint(condition=models.Q(('retired_at__isnull', True)), fields=('organisation', 'name'), name='a_live_rate_limit_name_is_unique')],
            },
        ),
        migrations.RunSQL(
            """
            CREATE TRIGGER policy_hears_of_it AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON policy_ratelimit
                FOR EACH STATEMENT EXECUTE FUNCTION policy_changed()
            """,
            "DROP TRIGGER policy_hears_of_it ON policy_ratelimit",
        ),
    ]
