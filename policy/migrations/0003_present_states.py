import json
import zlib

from django.db import migrations


def keep_present_states(apps, schema_editor):
    """What is open or closed today has at least its present content to be compared with."""
    ChangeRequest = apps.get_model("policy", "ChangeRequest")
    Document = apps.get_model("policy", "Document")
    DraftState = apps.get_model("policy", "DraftState")
    for change in ChangeRequest.objects.iterator(chunk_size=20):
        text = json.dumps(
            change.content, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        document, _ = Document.objects.get_or_create(
            digest=change.digest, defaults={"content": zlib.compress(text.encode())}
        )
        DraftState.objects.create(
            change_request=change,
            version=change.lock_version,
            document=document,
            actor_id=change.author_id,
            action="keep",
            at=change.updated_at,
        )
        ChangeRequest.objects.filter(pk=change.pk).update(
            status_since=change.updated_at, edited_at=change.updated_at
        )


class Migration(migrations.Migration):

    dependencies = [("policy", "0002_review")]

    operations = [migrations.RunPython(keep_present_states, migrations.RunPython.noop)]
