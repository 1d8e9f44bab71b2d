from django.db import migrations, models

from machines.columns import last


class Migration(migrations.Migration):
    dependencies = [("machines", "0002_streams")]

    operations = [
        *last(
            "machines",
            "snapshot",
            report=models.JSONField(default=dict),
            content=models.BinaryField(),
        ),
    ]
