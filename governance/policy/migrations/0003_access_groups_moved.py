"""Access groups are the catalogue's now. The table stays where it is: only what Django knows of it moves."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_access_groups"), ("policy", "0002_policy_version")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="allowrule",
                    name="access_group",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="allow_rules",
                        to="catalog.accessgroup",
                    ),
                ),
                migrations.DeleteModel(name="AccessGroup"),
            ]
        )
    ]
