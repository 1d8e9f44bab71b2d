"""The REST API: what it tells, to whom, and how it says no."""

from __future__ import annotations

import pytest
from django.test import Client
from policy_world import MACHINES, World, person, run_trials
from signed_in import Login

from policy.models import ChangeRequest, Trial
from policy.publishing import bundle
from workers import jobs

JSON = "application/json"
LISTS = ["trees", "releases", "changes", "trials", "bundles", "jobs", "audit"]


@pytest.mark.parametrize("name", LISTS)
def test_who_may_read(world: World, login: Login, name: str) -> None:
    world.change()
    for client, status in ((Client(), 401), (login(person("nobody")), 403)):
        answer = client.get(f"/api/v1/{name}/")
        assert answer.status_code == status
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
    assert login(world.reviewer).get(f"/api/v1/{name}/").status_code == 200


@pytest.mark.parametrize("name", LISTS)
def test_lists_make_few_queries(
    world: World, login: Login, name: str, django_assert_max_num_queries: object
) -> None:
    world.published()
    client = login(world.reviewer)
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        assert client.get(f"/api/v1/{name}/").status_code == 200


def test_releases_machine_types_and_devices(world: World, login: Login) -> None:
    client = login(world.reviewer)
    world.published()
    release = "/api/v1/releases/down/1.2/"
    assert client.get(release).json()["revision"] == 1
    names = [item["name"] for item in client.get(f"{release}machine-types/").json()["results"]]
    assert names == list(MACHINES)
    one = client.get(f"{release}machine-types/{MACHINES[1]}/").json()
    assert {"driver": "foo", "property": "speed", "value": "4"} in one["properties"]
    assert "foo" in [item["name"] for item in client.get(f"{release}devices/").json()["results"]]
    device = client.get(f"{release}devices/big/?machine_type={MACHINES[0]}").json()
    assert device["sections"][0]["current"] == 10_000
    for missing in ("machine-types/none/", "devices/none/", "devices/big/?machine_type=none"):
        assert client.get(release + missing).status_code == 404
    assert client.get("/api/v1/releases/down/9.9/").status_code == 404


def test_a_draft_instead_of_what_is_published(world: World, login: Login) -> None:
    client = login(world.reviewer)
    change = world.edit(world.change(), world.maintainer, "9")
    address = f"/api/v1/releases/down/1.2/machine-types/{MACHINES[0]}/"
    listed = client.get(f"{address}?change={change.pk}").json()["properties"]
    assert {"driver": "foo", "property": "speed", "value": "9"} in listed
    for other in ("0", "x", "99999999999999999999"):
        assert client.get(f"{address}?change={other}").status_code == 404


def test_a_change_moves_on_as_in_the_pages(world: World, login: Login) -> None:
    change = world.change()
    address = f"/api/v1/changes/{change.pk}/"
    assert (
        login(world.maintainer).post(f"{address}submit/", content_type=JSON).json()["status"]
        == "submitted"
    )
    run_trials(change, world.maintainer)
    shown = login(world.reviewer).get(address).json()
    assert [item["code"] for item in shown["blockers"]] == ["status", "approval"]
    assert "approve" in shown["available"]
    vote = {"digest": shown["digest"], "text": "fine"}
    reviewer = login(world.reviewer)
    assert reviewer.post(f"{address}approve/", vote, "application/json").status_code == 200
    answer = login(world.manager).post(f"{address}publish/", content_type=JSON)
    assert answer.json()["revision"] == 1


def test_what_the_policy_refuses_is_a_problem(world: World, login: Login) -> None:
    change = world.in_review()
    address = f"/api/v1/changes/{change.pk}/"
    reviewer = login(world.reviewer)
    unnamed = reviewer.post(f"{address}approve/", {}, "application/json")
    assert (unnamed.status_code, unnamed.json()["field"]) == (422, "digest")
    stale = reviewer.post(f"{address}approve/", {"digest": "0" * 64}, "application/json")
    assert stale.status_code == 409
    assert stale.json()["current_version"] == change.lock_version
    empty = reviewer.post(f"{address}comment/", {"text": ""}, "application/json")
    assert (empty.status_code, empty.json()["field"]) == (422, "text")
    assert reviewer.post(f"{address}submit/", content_type=JSON).status_code == 403
    assert reviewer.post(f"{address}explode/").status_code == 404
    long = reviewer.post(f"{address}comment/", {"text": "x" * 20_000}, "application/json")
    assert long.status_code == 422
    assert "text" in long.json()["errors"]
    change.refresh_from_db()
    assert change.status == ChangeRequest.Status.SUBMITTED


def test_posts_need_the_csrf_token(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.maintainer)
    change = world.change()
    assert client.post(f"/api/v1/changes/{change.pk}/submit/").status_code == 403
    assert client.post(f"/changes/{change.pk}/submit/").status_code == 403


def test_trials_bundles_and_jobs(world: World, login: Login) -> None:
    client = login(world.reviewer)
    stored = bundle.store(world.published())
    download = client.get("/api/v1/bundles/down/1.2/r1/download")
    assert download.content == bytes(stored.content)
    assert client.get("/api/v1/bundles/").json()["results"][0]["sha256"] == stored.sha256
    assert client.get("/api/v1/bundles/down/1.2/r9/download").status_code == 404
    trial = Trial.objects.create(
        key="k", source=world.old, destination=world.new, machine_type="pc", inputs={}
    )
    assert client.get(f"/api/v1/trials/{trial.pk}/").json()["source"] == "up 1.0"
    assert client.get("/api/v1/trials/?outcome=nonsense").status_code == 422
    job = jobs.enqueue_import(world.old, [("types.json", b"[]")], world.maintainer)
    assert client.get(f"/api/v1/jobs/{job.pk}/").json()["status"] == "queued"
    assert client.post(f"/api/v1/jobs/{job.pk}/cancel/").status_code == 403
    mine = login(world.maintainer).post(f"/api/v1/jobs/{job.pk}/cancel/")
    assert mine.json()["status"] == "cancelled"


def test_the_schema_describes_every_address(world: World, login: Login) -> None:
    answer = login(world.reviewer).get("/api/v1/schema/?format=json")
    assert answer.status_code == 200
    paths = answer.json()["paths"]
    for name in LISTS:
        assert f"/api/v1/{name}/" in paths
    assert "/api/v1/changes/{id}/{action}/" in paths or "/api/v1/changes/{pk}/{action}/" in paths


def test_a_body_that_nests_without_end_is_bad_input(world: World, login: Login) -> None:
    client = login(world.reviewer)
    address = f"/api/v1/changes/{world.change().pk}/comment/"
    for body in ("[" * 100_000, '{"text": ' * 100_000):
        answer = client.post(address, body, content_type="application/json")
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        assert "too deep" in answer.json()["detail"]


@pytest.mark.parametrize("number", ["3640445805970636891006934450176", "-1", "x", "²"])
def test_a_number_that_no_row_has_is_refused(world: World, login: Login, number: str) -> None:
    client = login(world.reviewer)
    for address in ("changes", "trials"):
        assert client.get(f"/api/v1/{address}/", {"release": number}).status_code == 422
        assert client.get(f"/{address}/", {"release": number}).status_code in (200, 422)
