"""Access groups are the catalogue's now. The table stays where it is: only what Django knows of it moves."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial"), ("policy", "0002_policy_version"), ("teams", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="AccessGroup",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        ("name", models.TextField()),
                        (
                            "patterns",
                            django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
                        ),
                        (
                            "organisation",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="access_groups",
                                to="teams.organisation",
                            ),
                        ),
                    ],
                    options={"db_table": "policy_accessgroup"},
                ),
                migrations.AddConstraint(
                    model_name="accessgroup",
                    constraint=models.UniqueConstraint(
                        fields=("organisation", "name"), name="an_access_group_name_is_unique"
                    ),
                ),
            ]
        )
    ]
