"""Every state, every action, every role: on the page and through the API, allowed and forbidden.

The table says who may do what in which state; whatever it does not name is refused, changes nothing
and leaves no trace.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from policy_world import World, person
from signed_in import Login

from frontend.actions.changes import ACTIONS
from policy import audit
from policy.models import AuditEntry, ChangeRequest, Review, Role
from policy.review import workflow

Status = ChangeRequest.Status
OPEN = ("draft", "submitted", "changes-requested", "approved")
#: Action → states in which it works → and for whom. "author" is a maintainer, too.
TABLE: dict[str, dict[tuple[str, ...], set[str]]] = {
    "submit": {("draft", "changes-requested"): {"author", "maintainer", "administrator"}},
    "approve": {("submitted",): {"second-reviewer", "reviewer", "administrator"},
                ("approved",): {"second-reviewer", "reviewer", "administrator"}},
    "request-changes": {
        ("submitted", "approved"): {"second-reviewer", "reviewer", "administrator"}
    },
    "comment": {OPEN: {"author", "maintainer", "second-reviewer", "reviewer", "manager", "viewer",
                       "administrator", "foreign"}},
    "withdraw": {OPEN: {"author", "administrator"}},
    "publish": {("approved",): {"manager", "administrator"}},
    "run-trials": {OPEN: {"author", "maintainer", "second-reviewer", "reviewer", "manager",
                          "administrator"}},
    "request-review": {OPEN: {"author", "maintainer", "administrator"}},
    "withdraw-request": {OPEN: {"author", "maintainer", "administrator", "second-reviewer"}},
}  # fmt: skip
PEOPLE = ("author", "maintainer", "second-reviewer", "reviewer", "manager", "viewer",
          "administrator", "foreign", "stranger")  # fmt: skip


def people(world: World) -> dict[str, User]:
    return {
        "author": world.maintainer,
        "maintainer": person("colleague", Role.MAINTAINER),
        "second-reviewer": person("second", Role.REVIEWER),
        "reviewer": world.reviewer,
        "manager": world.manager,
        "viewer": person("viewer", Role.VIEWER),
        "administrator": person("head", Role.ADMINISTRATOR),
        "foreign": person("foreign", *Role, tree="elsewhere"),
        "stranger": person("stranger"),
    }


def in_state(world: World, status: str, reviewer: User) -> ChangeRequest:
    """A change in that state, in which somebody is asked by name while it is open."""
    change = world.harmless(world.change())
    if status == "withdrawn":
        return workflow.withdraw(change, world.maintainer)
    change.requested.create(
        reviewer=reviewer, requested_by=change.author, requested_at=change.created_at
    )
    if status == "draft":
        return change
    change = workflow.submit(change, world.maintainer)
    if status == "submitted":
        return change
    if status == "changes-requested":
        return workflow.request_changes(change, world.other, change.digest, "Not yet.")
    change = workflow.approve(change, world.other, change.digest)
    if status == "published":
        workflow.publish(change, world.manager)
        change.refresh_from_db()
    return change


def allowed(action: str, status: str) -> set[str]:
    found = (who for states, who in TABLE[action].items() if status in states)
    return next(found, set())


def data_for(action: str, change: ChangeRequest) -> dict[str, str]:
    data = {"digest": change.digest, "text": "words"}
    if action in {"request-review", "withdraw-request"}:
        data["reviewer"] = "reviewer" if action == "request-review" else "second"
    return data


def standing(change: ChangeRequest) -> tuple[object, ...]:
    """All that an action could have changed."""
    change.refresh_from_db()
    return (
        change.status,
        change.digest,
        change.lock_version,
        change.requested.count(),
        Review.objects.count(),
        AuditEntry.objects.count(),
    )


def test_the_table_names_every_action() -> None:
    assert set(TABLE) == set(ACTIONS)
    for name, transition in workflow.TRANSITIONS.items():
        assert {state for states in TABLE[name] for state in states} == set(transition.sources)


def post(client: Client, where: str, change: ChangeRequest, action: str) -> int:
    address, data = f"/changes/{change.pk}/{action}/", data_for(action, change)
    if where == "page":
        return int(client.post(address, data).status_code)
    answer = client.post(f"/api/v1{address}", data, content_type="application/json")
    return int(answer.status_code)


@pytest.mark.parametrize("where", ["page", "api"])
@pytest.mark.parametrize("action", TABLE)
def test_whatever_the_table_does_not_name_is_refused(
    world: World, login: Login, action: str, where: str
) -> None:
    everybody = people(world)
    clients = {name: login(user) for name, user in everybody.items()}
    for status in Status.values:
        change = in_state(world, status, everybody["second-reviewer"])
        before = standing(change)
        for name in set(PEOPLE) - allowed(action, status):
            answer = post(clients[name], where, change, action)
            assert answer in {403, 404, 422}, (status, name)
            assert standing(change) == before, (status, name)
            assert action not in workflow.available(change, everybody[name]), (status, name)


@pytest.mark.parametrize("where", ["page", "api"])
@pytest.mark.parametrize("action", TABLE)
def test_whatever_the_table_names_works(
    world: World, login: Login, action: str, where: str
) -> None:
    everybody = people(world)
    clients = {name: login(user) for name, user in everybody.items()}
    transition = workflow.TRANSITIONS.get(action)
    for status, name in ((s, n) for s in OPEN for n in sorted(allowed(action, s))):
        change = in_state(world, status, everybody["second-reviewer"])
        before = AuditEntry.objects.count()
        assert action in workflow.available(change, everybody[name]), (status, name)
        answer = post(clients[name], where, change, action)
        assert answer == (302 if where == "page" else 200), (status, name)
        change.refresh_from_db()
        assert change.status == (transition.target if transition else status), (status, name)
        # Nothing was left to be run: that is no step.
        assert AuditEntry.objects.count() == before + (action != "run-trials"), (status, name)
    assert audit.verify() == []
