"""A price may hold at some hours only: its hours are part of what may not overlap."""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
from django.db import migrations, models

import governance.catalog.models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_routing")]

    operations = [
        migrations.AddField(
            model_name="price",
            name="hours",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.RemoveConstraint(model_name="price", name="prices_of_a_class_do_not_overlap"),
        migrations.AddConstraint(
            model_name="price",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                name="prices_of_a_class_do_not_overlap",
                expressions=[
                    ("book", "="),
                    ("model", "="),
                    ("token_class", "="),
                    ("service_tier", "="),
                    ("from_input_tokens", "="),
                    ("hours", "="),
                    (
                        governance.catalog.models.DateTimeRange(
                            "effective_from",
                            "effective_to",
                            django.contrib.postgres.fields.ranges.RangeBoundary(),
                        ),
                        "&&",
                    ),
                ],
            ),
        ),
    ]
