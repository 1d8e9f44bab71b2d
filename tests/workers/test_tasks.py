"""What the kinds of jobs do: an import's outcome, its idempotence, an error for a person."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from machines.models import Release, Snapshot
from policy import audit
from workers import jobs, tasks
from workers.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

ARRAYS = b'{"hw_compat_7_1": [["virtio-device", "queue_reset", "false"]]}'


def imported(release: Release, user: User, name: str, content: bytes) -> Job:
    job = jobs.enqueue_import(release, [(name, content)], user, source="upload")
    tasks.run_import(job.pk)
    job.refresh_from_db()
    assert not job.uploads.exists()
    return job


def test_an_import_makes_a_snapshot_once(release: Release, maintainer: User) -> None:
    first = imported(release, maintainer, "compat.json", ARRAYS)
    second = imported(release, maintainer, "compat.json", ARRAYS)
    assert (first.status, second.status) == (Job.Status.DONE, Job.Status.DONE)
    assert first.result["created"] is True
    assert second.result["created"] is False
    assert Snapshot.objects.get().pk == first.result["snapshot"]
    assert audit.verify() == []


def test_a_file_that_cannot_be_read_is_named(release: Release, maintainer: User) -> None:
    job = imported(release, maintainer, "compat.json", b'{"a": [["only-a-driver"]]}')
    assert job.status == Job.Status.FAILED
    assert "compat" in job.error
    assert "Traceback" not in job.error
    assert not Snapshot.objects.exists()
