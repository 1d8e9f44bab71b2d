"""Imports and jobs: the upload's form, the job's page, and the history."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from policy_world import World, person
from signed_in import Login

from machines.models import Release
from workers import jobs, tasks
from workers.models import Job

SOURCE = b'GlobalProperty hw_compat_9_9[] = {\n    { "foo", "speed", "1" },\n};\n'


def file(name: str = "types.json", content: bytes = b'[{"name": "device"}]') -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_an_upload_becomes_a_job_and_a_release(world: World, login: Login) -> None:
    client = login(world.maintainer)
    data = {
        "tree": "down",
        "version": "2.0",
        "base": world.new.pk,
        "uploads": [file(), file("compat.c", SOURCE)],
    }
    answer = client.post("/imports/new/", data)
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/"
    release = Release.objects.get(tree__name="down", version="2.0")
    assert release.base == world.new
    live = f'id="job" class="stack" data-shows-job="{job.pk}" data-live='
    assert live in client.get(f"/jobs/{job.pk}/").content.decode()
    tasks.execute(job.pk, tasks.import_release)
    done = client.get(f"/jobs/{job.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert live not in done
    assert "<html" not in done
    assert "down 2.0, snapshot 1" in done
    assert "down 2.0" in client.get("/imports/").content.decode()


def test_what_changed_against_the_last_snapshot(world: World, login: Login) -> None:
    client = login(world.maintainer)
    uploads = [("types.json", json.dumps([{"name": "device"}, {"name": "brand-new"}]).encode())]
    job = jobs.enqueue_import(world.old, uploads, world.maintainer)
    tasks.execute(job.pk, tasks.import_release)
    page = client.get(f"/jobs/{job.pk}/").content.decode()
    assert "What changed against the last snapshot" in page
    assert "brand-new" in page


def test_files_that_are_none(world: World, login: Login) -> None:
    client = login(world.maintainer)
    data = {"tree": "down", "version": "2.0", "uploads": [file("virus.exe")]}
    answer = client.post("/imports/new/", data)
    assert answer.status_code == 422
    assert "virus.exe" in answer.content.decode()
    twice = client.post("/imports/new/", data | {"uploads": [file(), file()]})
    assert "Two files have the same name." in twice.content.decode()
    bad = client.post("/imports/new/", data | {"version": "No Such!", "uploads": [file()]})
    assert bad.status_code == 422
    assert "Lower-case letters" in bad.content.decode()
    assert not Job.objects.exists()
    assert not Release.objects.filter(tree__name="down", version="2.0").exists()


def test_no_file_at_all_makes_neither_job_nor_release(world: World, login: Login) -> None:
    client = login(world.maintainer)
    answer = client.post("/imports/new/", {"tree": "down", "version": "2.0"})
    assert answer.status_code == 422
    assert "This field is required." in answer.content.decode()
    assert not Job.objects.exists()
    assert not Release.objects.filter(tree__name="down", version="2.0").exists()


def test_files_are_limited_together(
    world: World, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontend.forms.imports.MAX_TOTAL_BYTES", 30)
    uploads = [file(), file("compat.c", SOURCE)]
    data = {"tree": "down", "version": "2.0", "uploads": uploads}
    answer = login(world.maintainer).post("/imports/new/", data)
    assert answer.status_code == 422
    assert "together" in answer.content.decode()
    assert not Job.objects.exists()


def test_a_bad_file_fails_its_job_with_a_sentence(world: World, login: Login) -> None:
    client = login(world.maintainer)
    client.post(
        "/imports/new/",
        {"tree": "down", "version": "2.0", "uploads": [file(content=b"{ not json")]},
    )
    job = Job.objects.get()
    tasks.execute(job.pk, tasks.import_release)
    page = client.get(f"/jobs/{job.pk}/").content.decode()
    assert "types.json" in page
    assert "Traceback" not in page


def test_cancelling(world: World, login: Login) -> None:
    job = jobs.enqueue_import(world.old, [("types.json", b"[]")], world.maintainer)
    assert login(world.reviewer).post(f"/jobs/{job.pk}/cancel/").status_code == 403
    assert "Cancel the job" not in login(world.reviewer).get(f"/jobs/{job.pk}/").content.decode()
    login(world.maintainer).post(f"/jobs/{job.pk}/cancel/")
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    again = login(world.maintainer).post(f"/jobs/{job.pk}/cancel/", follow=True)
    assert "nothing left to cancel" in again.content.decode()


def test_who_may_import(world: World, login: Login) -> None:
    assert login(world.reviewer).get("/imports/new/").status_code == 403
    data = {"tree": "up", "version": "3.0", "uploads": [file()]}
    assert login(world.reviewer).post("/imports/new/", data).status_code == 403
    # A maintainer of one tree does not import into another.
    assert login(world.maintainer).post("/imports/new/", data).status_code == 422
    assert not Release.objects.filter(version="3.0").exists()
    job = jobs.enqueue_import(world.old, [("types.json", b"[]")], world.maintainer)
    assert login(person("nobody")).get(f"/jobs/{job.pk}/").status_code == 404


def test_the_history_makes_few_queries(
    world: World, login: Login, django_assert_max_num_queries: object
) -> None:
    client = login(world.reviewer)
    client.get("/imports/")
    with django_assert_max_num_queries(18):  # type: ignore[operator]
        assert client.get("/imports/").status_code == 200
