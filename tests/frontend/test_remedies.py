"""Mitigations for a trial that was refused: searched by a worker, offered, added to a change."""

from __future__ import annotations

import pytest
from django.test import Client
from policy_world import MACHINES, World, arrays, old_catalogue, person, release, run_trials
from signed_in import Login

from machines.emulator.catalogue import CompatProperty, Description, Field, PropertyInfo
from policy import edits
from policy.models import ChangeRequest, Role, Trial
from workers import jobs, tasks
from workers.models import Job

TYPES = {"object": None, "device": "object", "nic": "device"}
TOCK = Description("nic/tock", 1, 1, (Field("tock", 4),))


@pytest.fixture
def change(world: World) -> ChangeRequest:
    """1.4 takes a feature whose state 1.3 never sends: guests of 1.3 are refused."""
    nic = Description("nic", 1, 1, (Field("a", 4),))
    plain = old_catalogue(types=TYPES, descriptions={"nic": nic}, properties={})
    newer = old_catalogue(
        types=TYPES,
        descriptions={"nic": Description("nic", 1, 1, nic.fields, (TOCK,))},
        properties={"nic": {"x-tock": PropertyInfo("x-tock", "bool", True)}},
    )
    base, upstream = release("up", "3.0", plain), release("up", "4.0", newer)
    release("down", "1.3", arrays(), base=base)
    carriers = [{"section": "nic/nic/tock", "subsection": True}]
    gate = {"driver": "nic", "property": "x-tock", "on": "on"}
    feature = edits.record_feature(
        world.maintainer, upstream, "nic-tock", "Tock", "", "nic", carriers, gate
    )
    made = edits.open_change(release("down", "1.4", arrays(), base=base), world.maintainer, "Tock")
    made = edits.add_backport(made, world.maintainer, 1, feature, "", "", "Needed.")
    made = edits.add_migration(made, world.maintainer, 2, "down 1.3", "down 1.4", "correct")
    run_trials(made, world.maintainer)
    return made


@pytest.fixture
def refused(change: ChangeRequest) -> Trial:
    return Trial.objects.get(outcome="refused", machine_type=MACHINES[0])


def searched(client: Client, trial: Trial, change: ChangeRequest | None) -> Job:
    """Ask on the page, and do what a worker does then."""
    asked = {"change": change.pk if change else ""}
    assert client.post(f"/trials/{trial.pk}/remedies/", asked).status_code == 302
    job = jobs.jobs_of(trial).order_by("-pk").first()
    tasks.run_search(job.pk)
    job.refresh_from_db()
    return job


def test_what_makes_the_trial_pass_is_offered_and_added(
    world: World, login: Login, change: ChangeRequest, refused: Trial
) -> None:
    client = login(world.maintainer)
    page = client.get(f"/trials/{refused.pk}/").content.decode()
    assert "Suggest mitigations" in page
    job = searched(client, refused, change)
    assert job.status == Job.Status.DONE
    page = client.get(f"/trials/{refused.pk}/").content.decode()
    assert "nic.<b>x-tock</b>" in page
    assert f'action="/changes/{change.pk}/mitigations/"' in page
    asked = {
        "lock_version": change.lock_version,
        "started_on": "down 1.3",
        "machine_type": MACHINES[0],
        "entries": "nic.x-tock=off",
        "reason": "Without it guests of down 1.3 are refused.",
    }
    assert client.post(f"/changes/{change.pk}/mitigations/", asked).status_code == 302
    change.refresh_from_db()
    assert change.policy.mitigations[0].entries == (CompatProperty("nic", "x-tock", "off"),)
    assert "passed" in run_trials(change, world.maintainer)
    assert "was edited after this search" in client.get(f"/trials/{refused.pk}/").content.decode()


def test_an_open_search_comes_again_and_is_asked_for_once(
    world: World, login: Login, change: ChangeRequest, refused: Trial
) -> None:
    client = login(world.maintainer)
    for _twice in range(2):
        client.post(f"/trials/{refused.pk}/remedies/", {"change": change.pk})
    assert jobs.jobs_of(refused).count() == 1
    part = client.get(f"/trials/{refused.pk}/remedies/").content.decode()
    assert 'data-live="' in part
    assert "<html" not in part
    assert client.get(f"/jobs/{jobs.jobs_of(refused).get().pk}/").status_code == 200


def test_where_nothing_need_be_done_nothing_is_offered(
    world: World, login: Login, change: ChangeRequest, refused: Trial
) -> None:
    client = login(world.maintainer)
    job = searched(client, refused, None)
    assert job.result["suggestions"] == []
    assert "Nothing was found" in client.get(f"/trials/{refused.pk}/").content.decode()


def test_a_search_that_cannot_be_held_says_why(
    world: World, login: Login, change: ChangeRequest, refused: Trial
) -> None:
    Trial.objects.filter(pk=refused.pk).update(machine_type="pc-gone")
    job = searched(login(world.maintainer), refused, change)
    assert (job.status, job.error) == (
        Job.Status.FAILED,
        "down 1.3 has no machine type 'pc-gone'.",
    )


def test_only_maintainers_search_and_only_with_a_change_of_the_pair(
    world: World, login: Login, change: ChangeRequest, refused: Trial
) -> None:
    address = f"/trials/{refused.pk}/remedies/"
    reviewer = login(world.reviewer)
    assert reviewer.post(address, {"change": change.pk}).status_code == 403
    assert "Suggest mitigations" not in reviewer.get(f"/trials/{refused.pk}/").content.decode()
    assert login(person("elsewhere", Role.MAINTAINER, tree="up")).post(address).status_code == 403
    other = edits.open_change(world.release, world.maintainer, "Another release's")
    client = login(world.maintainer)
    for wrong in (other.pk, 9999, "²"):
        assert client.post(address, {"change": wrong}).status_code == 404
    assert not Job.objects.filter(kind=Job.Kind.SEARCH).exists()


def test_the_api_asks_for_a_search(
    world: World, login: Login, change: ChangeRequest, refused: Trial
) -> None:
    address = f"/api/v1/trials/{refused.pk}/remedies/"
    client = login(world.maintainer)
    answer = client.post(address, {"change": change.pk}, content_type="application/json")
    assert (answer.status_code, answer.json()["kind"]) == (202, "search")
    tasks.run_search(answer.json()["id"])
    result = client.get(f"/api/v1/jobs/{answer.json()['id']}/").json()["result"]
    assert result["suggestions"] == [{"entries": [["nic", "x-tock", "off"]], "outcome": "correct"}]
    assert login(world.reviewer).post(address, content_type="application/json").status_code == 403
    assert (
        client.post("/api/v1/trials/9999/remedies/", content_type="application/json").status_code
        == 404
    )
