from django.db import migrations, models

from machines.columns import last


class Migration(migrations.Migration):
    dependencies = [("policy", "0012_surroundings")]

    operations = [
        *last("policy", "revision", content=models.TextField()),
        *last("policy", "changerequest", content=models.JSONField()),
        *last(
            "policy",
            "trial",
            result=models.JSONField(null=True),
            inputs=models.JSONField(),
        ),
        *last("policy", "bundle", content=models.BinaryField()),
    ]
