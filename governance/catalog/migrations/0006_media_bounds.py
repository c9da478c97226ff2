"""A model may say the most that media count as with it: without that, requests with media are refused."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_leaving_own")]

    operations = [
        migrations.AddField(
            model_name="languagemodel",
            name="bounds",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
    ]
