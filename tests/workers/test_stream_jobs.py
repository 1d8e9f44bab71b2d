"""What workers do with streams: read an upload, make a trial's again, judge, sweep."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from machines import kept_streams
from machines.models import Stream, Tree
from policy.models import AuditEntry, Membership, Role
from policy.trials import streams
from workers import jobs, tasks
from workers.models import Job

SERIAL = Path(__file__).parents[1] / "data/streams/10.0/pc-q35-7.2/serial.mig.xz"


@pytest.fixture
def user(db: None, settings: Any, tmp_path: Path) -> User:
    settings.VAR_DIR = tmp_path
    person = User.objects.create_user("ann")
    Membership.objects.create(
        user=person, tree=Tree.objects.create(name="down"), role=Role.MAINTAINER
    )
    return person


@pytest.fixture
def upload(user: User) -> Stream:
    file = kept_streams.uploads() / "incoming"
    file.write_bytes(SERIAL.read_bytes())
    return streams.upload(user, "serial.mig.xz", file, file.stat().st_size, "d" * 64)


def test_an_upload_is_read_once(user: User, upload: Stream) -> None:
    job = jobs.enqueue_stream(upload, user)
    assert jobs.enqueue_stream(upload, user) == job
    tasks.run_stream(job.pk)
    upload.refresh_from_db()
    assert upload.state == "read"
    tasks.run_stream(job.pk)
    job.refresh_from_db()
    assert (job.status, job.result) == ("done", {"stream": upload.pk})
    assert "serial" not in job.title


def test_one_that_was_deleted_meanwhile_is_read_no_more(user: User, upload: Stream) -> None:
    job = jobs.enqueue_stream(upload, user)
    streams.delete(user, upload)
    tasks.run_stream(job.pk)
    job.refresh_from_db()
    assert job.status == Job.Status.DONE
    assert not Stream.objects.exists()
    assert list(kept_streams.uploads().iterdir()) == []


def test_an_upload_whose_file_is_gone_says_so(user: User, upload: Stream) -> None:
    kept_streams.file_of(upload).unlink()
    tasks.run_stream(jobs.enqueue_stream(upload, user).pk)
    upload.refresh_from_db()
    assert upload.state == "unreadable"
    assert "upload it again" in upload.problem["problem"]


def test_what_has_expired_goes_and_is_audited(user: User, upload: Stream) -> None:
    Stream.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert streams.sweep() == 1
    assert not Stream.objects.exists()
    assert AuditEntry.objects.latest("pk").action == "expired stream"
