"""Guard rules, heard of by the gateways like everything their snapshot is made of."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('policy', '0004_rate_limits'),
        ('teams', '0002_regions'),
    ]

    operations = [
        migrations.CreateModel(
            name='GuardRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('guard', models.TextField()),
                ('requests', models.TextField(blank=True, db_default='', default='')),
                ('replies', models.TextField(blank=True, db_default='', default='')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('organisation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='guard_rules', to='teams.organisation')),
                ('team', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='guard_rules', to='teams.team')),
                ('unit', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='guard_rules', to='teams.businessunit')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('requests__in', ['', 'mask', 'block']), ('replies__in', ['', 'mask', 'block'])), name='a_guard_masks_or_blocks'), models.CheckConstraint(condition=models.Q(('replies', ''), ('requests', ''), _negated=True), name='a_guard_rule_asks_for_something'), models.CheckConstraint(condition=models.Q(('unit__isnull', True), ('team__isnull', True), _connector='OR'), name='a_guard_rule_is_of_one_unit_or_team'), models.UniqueConstraint(fields=('organisation', 'unit', 'team', 'guard'), name='a_level_has_one_rule_for_a_guard', nulls_distinct=False)],
            },
        ),
        migrations.RunSQL(
            """
            CREATE TRIGGER policy_hears_of_it AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON policy_guardrule
                FOR EACH STATEMENT EXECUTE FUNCTION policy_changed()
            """,
            "DROP TRIGGER policy_hears_of_it ON policy_guardrule",
        ),
    ]
