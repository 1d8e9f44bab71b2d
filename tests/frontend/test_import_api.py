"""Imports, features and the matrix through the API."""

from __future__ import annotations

import json
from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile
from policy_world import MACHINES, World, arrays, release, run_trials
from signed_in import Login

from policy import edits
from workers.models import Job

SAMPLE = Path(__file__).parents[2] / "machines" / "sample" / "qemu" / "7.2"


def uploaded(name: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, (SAMPLE / name).read_bytes())


def test_files_come_in_as_a_job(world: World, login: Login) -> None:
    client = login(world.maintainer)
    name = next(path.name for path in SAMPLE.iterdir() if path.name.startswith("machines"))
    given = {"tree": "down", "version": "1.9", "base": "up 1.0", "uploads": uploaded(name)}
    answer = client.post("/api/v1/imports/", given)
    assert answer.status_code == 202, answer.content
    job = Job.objects.get(pk=answer.json()["id"])
    assert job.kind == Job.Kind.IMPORT
    assert "1.9" in {item["version"] for item in client.get("/api/v1/releases/").json()["results"]}


def test_what_is_no_release_file_is_refused(world: World, login: Login) -> None:
    client = login(world.maintainer)
    given = {"tree": "down", "version": "1.9", "uploads": SimpleUploadedFile("a.exe", b"MZ")}
    answer = client.post("/api/v1/imports/", given)
    assert answer.status_code == 422
    assert "uploads" in answer.json()["errors"]
    assert not Job.objects.exists()


def test_only_who_may_import_does(world: World, login: Login) -> None:
    given = {"tree": "down", "version": "1.9", "uploads": uploaded("version.json.xz")}
    assert login(world.reviewer).post("/api/v1/imports/", given).status_code == 403
    assert not Job.objects.exists()


def test_snapshots_are_listed(world: World, login: Login) -> None:
    told = login(world.reviewer).get("/api/v1/imports/").json()
    assert told["count"] == len(told["results"]) > 0
    assert told["results"][0]["release"]


def test_the_matrix_tells_what_is_declared(world: World, login: Login) -> None:
    world.published()
    newer = release("down", "1.4", arrays(), base=world.old)
    change = edits.open_change(newer, world.maintainer, "As it is")
    assert run_trials(change, world.maintainer)
    client = login(world.reviewer)
    told = client.get(f"/api/v1/matrix/?change={change.pk}").json()
    found = told["migrations"]["results"]
    assert {item["standing"] for item in found} == {"passed"}
    assert {item["outcome"] for item in found} == {"correct"}
    two = client.get(f"/api/v1/matrix/?change={change.pk}&page_size=1&page=2").json()
    assert two["migrations"]["results"] == found[1:2]
    assert two["migrations"]["count"] == len(found)
    one = client.get(f"/api/v1/matrix/?change={change.pk}&machine_type={MACHINES[1]}").json()
    assert {item["machine_type"] for item in one["migrations"]["results"]} == {MACHINES[1]}
    assert client.get("/api/v1/matrix/?tree=down").json()["releases"]
    assert client.get("/api/v1/matrix/?tree=none").status_code == 404


def test_features_are_told(world: World, login: Login) -> None:
    answer = login(world.reviewer).get("/api/v1/features/")
    assert json.loads(answer.content)["count"] == 0
    assert login(world.reviewer).get("/api/v1/features/none/").status_code == 404
