"""The API of a review: what the pages do, for programs, with the same answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from policy_world import MACHINES, World, person, run_trials
from signed_in import Login

from policy import edits
from policy.messages import notices
from policy.models import ChangeRequest, Comment, ReviewRules, Role, Thread
from policy.review import checking, examining, workflow

LABEL = f"foo.speed on {MACHINES[0]}"


def send(client: Client, method: str, address: str, data: Any = None) -> Any:
    """Send JSON to an address below ``/api/v1/``."""
    call = getattr(client, method)
    return call(f"/api/v1/{address}", data or {}, content_type="application/json")


def edited(world: World) -> ChangeRequest:
    return workflow.submit(world.edit(world.change(), world.maintainer, "7"), world.maintainer)


def test_a_change_is_opened_described_and_taken_back_to_an_older_revision(
    world: World, login: Login
) -> None:
    client = login(world.maintainer)
    world.published()
    world.publish(world.edit(world.change(), world.maintainer, "7"))
    made = send(client, "post", "changes/", {"release": "down 1.2", "title": "By a program"})
    assert made.status_code == 201
    pk = made.json()["id"]
    named = {"lock_version": 1, "title": "Better words"}
    assert send(client, "put", f"changes/{pk}/", named).json()["title"] == "Better words"
    assert send(client, "put", f"changes/{pk}/", named).status_code == 409
    back = {"release": "down 1.2", "title": "Back", "reverts_to": 1}
    assert send(client, "post", "changes/", back).json()["reverts_to"] == 1
    for wrong, field in (({"reverts_to": 9}, "reverts_to"), ({"release": "x 1"}, "release")):
        answer = send(client, "post", "changes/", back | wrong)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert send(login(world.reviewer), "post", "changes/", back).status_code == 403


def test_a_whole_draft_is_replaced_and_merged(world: World, login: Login) -> None:
    change = world.change()
    client, address = login(world.maintainer), f"changes/{change.pk}/policy/"
    document = change.policy.to_json()
    document["machine_types"][0]["entries"][0]["value"] = "8"
    wrong = change.policy.to_json() | {"machine_types": [{"name": "a b"}]}
    answer = send(client, "put", address, {"lock_version": 1, "policy": wrong})
    assert answer.status_code == 422
    assert answer.json()["field"] == "policy.machine_types[0].name"
    world.edit(change, world.other, "7")
    lost = send(client, "put", address, {"lock_version": 1, "policy": document})
    assert lost.status_code == 409
    (conflict,) = lost.json()["conflicts"]
    assert (conflict["mine"], conflict["theirs"]) == ("8", "7")
    chosen = {"choices": {conflict["path"]: "mine"}}
    settled = {"lock_version": 1, "policy": document, **chosen}
    assert send(client, "put", address, settled).json()["errors"].keys() == {"current_version"}
    settled["current_version"] = lost.json()["current_version"]
    assert send(client, "put", address, settled).status_code == 200
    as_file = {"lock_version": 3, "file": "schema: 2"}
    assert "Line 1: policy.schema" in send(client, "put", address, as_file).json()["detail"]
    assert send(client, "put", address, {"lock_version": 3}).status_code == 422


def test_states_and_differences(world: World, login: Login) -> None:
    change = edited(world)
    client = login(world.reviewer)
    told = client.get(f"/api/v1/changes/{change.pk}/states/").json()["results"]
    assert [item["version"] for item in told] == [2, 1]
    (line,) = client.get(f"/api/v1/changes/{change.pk}/differences/?from=1").json()["results"]
    assert (line["label"], line["before"], line["after"]) == (LABEL, "5", "7")
    wrong = client.get(f"/api/v1/changes/{change.pk}/differences/?from=reviewed")
    assert wrong.status_code == 422


def test_two_revisions(world: World, login: Login) -> None:
    world.published()
    world.publish(world.edit(world.change(), world.maintainer, "7"))
    client = login(world.reviewer)
    listed = client.get("/api/v1/releases/down/1.2/revisions/").json()["results"]
    numbers = [item["number"] for item in listed]
    assert numbers == [2, 1]
    address = "/api/v1/releases/down/1.2/revisions/differences/"
    lines = client.get(f"{address}?from=1&to=2").json()["results"]
    assert LABEL in [line["label"] for line in lines]
    for wrong in ("", "?from=1", "?from=1&to=9", "?from=x&to=1"):
        assert client.get(address + wrong).status_code == 422


def test_a_discussion(world: World, login: Login) -> None:
    change = edited(world)
    reviewer, author = login(world.reviewer), login(world.maintainer)
    address = f"changes/{change.pk}/threads/"
    asked = {"text": "Why?", "group": "Compat properties", "label": LABEL}
    thread = send(reviewer, "post", address, asked).json()
    assert (thread["line"]["after"], thread["comments"][0]["published_at"]) == ("7", None)
    assert author.get(f"/api/v1/{address}").json()["count"] == 0
    draft = f"changes/{change.pk}/drafts/{thread['comments'][0]['id']}/"
    assert send(reviewer, "put", draft, {"text": "Why so?"}).json()["text"] == "Why so?"
    assert send(author, "put", draft, {"text": "x"}).status_code == 404
    send(reviewer, "post", f"changes/{change.pk}/comment/")
    assert author.get(f"/api/v1/{address}").json()["count"] == 1
    one = f"{address}{thread['id']}/"
    assert len(send(author, "post", f"{one}reply/", {"text": "So."}).json()["comments"]) == 2
    assert send(author, "post", f"{one}resolve/").json()["resolved_by"] == "maintainer"
    assert send(author, "post", f"{one}resolve/").status_code == 422
    assert send(author, "post", f"{one}explode/").status_code == 404
    mine = Comment.objects.get(published_at=None)
    gone = send(author, "delete", f"changes/{change.pk}/drafts/{mine.pk}/")
    assert gone.status_code == 204
    assert send(login(person("stranger")), "post", address, asked).status_code == 403
    assert Thread.objects.count() == 1


def test_findings_are_told_waived_and_settled(world: World, login: Login) -> None:
    world.published()
    change = world.edit(world.change(), world.maintainer, "7")
    client, address = login(world.maintainer), f"changes/{change.pk}/findings/"
    found = client.get(f"/api/v1/{address}?blocks=true").json()["results"]
    assert found
    document = client.get(f"/api/v1/changes/{change.pk}/").json()
    assert "findings" in [item["code"] for item in document["blockers"]]
    one = found[0]["id"]
    sent = {"lock_version": 2, "reason": "Known.", "expires": checking.today().isoformat()}
    assert send(login(world.reviewer), "post", f"{address}{one}/waive/", sent).status_code == 403
    for wrong in ({"expires": "2001-01-01"}, {"reason": ""}, {"source": "x"}, {"expires": "soon"}):
        assert send(client, "post", f"{address}{one}/waive/", sent | wrong).status_code == 422
    assert send(client, "post", f"{address}0000/waive/", sent).status_code == 422
    assert send(client, "post", f"{address}{one}/waive/", sent).status_code == 200
    listed = client.get(f"/api/v1/{address}").json()["results"]
    after = {item["id"]: item for item in listed}
    assert after[one]["waivers"][0]["standing"] == "holds"
    assert not after[one]["blocks"]


def test_a_proposal_settles_its_finding(world: World, login: Login) -> None:
    change = edits.add_entry(world.change(), world.maintainer, 1, MACHINES[0], "foo", "none", "1")
    found = [item for item in examining.findings_of(change) if item.finding.proposals]
    item = next(item for item in found if item.finding.code == "unknown-property")
    client = login(world.maintainer)
    address = f"changes/{change.pk}/findings/{item.finding.identity}/apply/"
    assert send(client, "post", address, {"lock_version": 2, "number": 99}).status_code == 422
    assert send(client, "post", address, {"lock_version": 2, "number": 0}).status_code == 200
    change.refresh_from_db()
    left = [each.finding.identity for each in examining.findings_of(change)]
    assert item.finding.identity not in left


def test_a_trial_is_waived_and_the_waiver_taken_back(world: World, login: Login) -> None:
    change = edits.add_migration(
        world.change(), world.maintainer, 1, "down 1.2", "down 1.2", "refused"
    )
    run_trials(change, world.maintainer)
    client, address = login(world.maintainer), f"changes/{change.pk}/waivers/"
    sent = {
        "lock_version": 2,
        "source": "down 1.2",
        "destination": "down 1.2",
        "machine_type": MACHINES[0],
        "reason": "Known.",
        "expires": (checking.today() + timedelta(days=9)).isoformat(),
    }
    assert send(login(world.reviewer), "post", address, sent).status_code == 403
    told = send(client, "post", address, sent).json()["trials"]
    assert [item["standing"] for item in told] == ["waived", "differs"]
    assert send(client, "delete", f"{address}0/", {"lock_version": 9}).status_code == 409
    assert send(client, "delete", f"{address}9/", {"lock_version": 3}).status_code == 422
    told = send(client, "delete", f"{address}0/", {"lock_version": 3}).json()["trials"]
    assert [item["standing"] for item in told] == ["differs", "differs"]


def test_turns_rules_and_mails(world: World, login: Login) -> None:
    change = edited(world)
    reviewer = login(world.reviewer)
    (turn,) = reviewer.get("/api/v1/turns/").json()["results"]
    assert (turn["change"], turn["code"]) == (change.pk, "review")
    (whose,) = reviewer.get(f"/api/v1/changes/{change.pk}/").json()["turns"]
    assert whose["people"] == ["other", "reviewer"]
    assert send(reviewer, "put", "trees/down/review-rules/", {"approvals": 2}).status_code == 403
    head = login(person("head", Role.ADMINISTRATOR))
    assert send(head, "put", "trees/down/review-rules/", {"approvals": 4}).status_code == 422
    assert send(head, "put", "trees/down/review-rules/", {"approvals": 2}).status_code == 200
    assert ReviewRules.objects.get().approvals == 2
    assert reviewer.get("/api/v1/trees/down/review-rules/").json() == {"approvals": 2}
    assert send(reviewer, "put", "mail-settings/", {"turns": False}).json()["turns"] is False
    assert notices.wanted_by(world.reviewer)["turns"] is False
    assert send(reviewer, "put", "mail-settings/", {"turns": "often"}).status_code == 422


def test_a_rebase_asks_for_a_side_of_each_conflict(world: World, login: Login) -> None:
    world.published()
    first, second = world.change(), world.edit(world.change(), world.maintainer, "8")
    world.publish(world.edit(first, world.maintainer, "7"))
    client, address = login(world.maintainer), f"changes/{second.pk}/rebase/"
    asked = send(client, "post", address, {"lock_version": 2})
    assert (asked.status_code, asked.json()["field"]) == (409, "choices")
    (conflict,) = asked.json()["conflicts"]
    assert (conflict["label"], conflict["mine"], conflict["theirs"]) == (LABEL, "8", "7")
    choices = {"choices": {conflict["path"]: "both"}}
    assert send(client, "post", address, {"lock_version": 2, **choices}).status_code == 422
    choices = {"choices": {conflict["path"]: "mine"}}
    done = send(client, "post", address, {"lock_version": 2, "onto": 2, **choices})
    assert done.json()["base_revision"] == 2
    assert send(client, "post", address, {"lock_version": 3}).status_code == 422


@pytest.mark.parametrize("who", ["reviewer", "manager"])
def test_only_a_maintainer_edits_through_the_api(world: World, login: Login, who: str) -> None:
    change = world.change()
    client, before = login(getattr(world, who)), change.digest
    document = change.policy.to_json() | {"devices": ["foo"]}
    for method, address, data in (
        ("put", "policy/", {"lock_version": 1, "policy": document}),
        ("put", "", {"lock_version": 1, "title": "x"}),
        ("post", "request-review/", {"reviewer": "reviewer"}),
    ):
        answer = send(client, method, f"changes/{change.pk}/{address}", data)
        assert answer.status_code == 403, address
    change.refresh_from_db()
    assert (change.digest, change.title) == (before, "A change")
