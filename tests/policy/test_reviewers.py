"""Reviewers asked by name, and how many approvals a tree needs."""

from __future__ import annotations

import pytest
from policy_world import World, person

from policy import audit
from policy.errors import Forbidden, Invalid
from policy.models import AuditEntry, ChangeRequest, ReviewRules, Role
from policy.review import reviewers, workflow

pytestmark = pytest.mark.django_db
Status = ChangeRequest.Status


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def test_somebody_is_asked_and_no_longer_asked_on_record() -> None:
    world = World()
    change = world.change()
    reviewers.request(change, world.maintainer, "reviewer")
    assert [person.username for person in reviewers.possible(change)] == ["other"]
    reviewers.withdraw(change, world.reviewer, "reviewer")
    assert not change.requested.exists()
    assert actions()[-2:] == ["request review", "withdraw request"]
    assert audit.verify() == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "Name somebody"),
        ("nobody-here", "There is no"),
        ("manager", "no reviewer"),
        ("maintainer", "no reviewer"),
        ("x" * 500, "There is no"),
    ],
)
def test_only_who_may_approve_is_asked(name: str, why: str) -> None:
    world = World()
    before = AuditEntry.objects.count()
    with pytest.raises(Invalid, match=why) as caught:
        reviewers.request(world.change(), world.maintainer, name)
    assert caught.value.field == "reviewer"
    assert AuditEntry.objects.count() == before + 1  # the opening


def test_whoever_edited_is_not_asked_and_nobody_twice() -> None:
    world = World()
    change = world.edit(world.change(), world.other)
    with pytest.raises(Invalid, match="wrote a part"):
        reviewers.request(change, world.maintainer, "other")
    reviewers.request(change, world.maintainer, "reviewer")
    with pytest.raises(Invalid, match="already"):
        reviewers.request(change, world.maintainer, "reviewer")


def test_asking_takes_a_maintainer_and_an_open_change() -> None:
    world = World()
    change = world.change()
    with pytest.raises(Forbidden):
        reviewers.request(change, world.reviewer, "reviewer")
    reviewers.request(change, world.maintainer, "reviewer")
    with pytest.raises(Forbidden):
        reviewers.withdraw(change, world.manager, "reviewer")
    workflow.withdraw(change, world.maintainer)
    for act in (reviewers.request, reviewers.withdraw):
        with pytest.raises(Invalid, match="withdrawn"):
            act(change, world.maintainer, "reviewer")


# --- How many approvals ---------------------------------------------------------------------------


def test_a_change_is_approved_by_as_many_as_its_tree_asks_for() -> None:
    world = World()
    head = person("head", Role.ADMINISTRATOR)
    workflow.set_approvals(world.release.tree, head, 2)
    change = workflow.approve(world.in_review(), world.reviewer, ChangeRequest.objects.get().digest)
    assert change.status == Status.SUBMITTED
    assert [b.code for b in workflow.blockers(change)] == ["status", "approval"]
    assert "1 of the 2" in workflow.blockers(change)[1].text
    again = workflow.approve(change, world.reviewer, change.digest)
    assert again.status == Status.SUBMITTED  # the same person counts once
    change = workflow.approve(change, world.other, change.digest)
    assert (change.status, workflow.blockers(change)) == (Status.APPROVED, ())


def test_another_number_judges_again_what_is_in_review() -> None:
    world = World()
    head = person("head", Role.ADMINISTRATOR)
    change = world.approved()
    workflow.set_approvals(world.release.tree, head, 3)
    change.refresh_from_db()
    assert change.status == Status.SUBMITTED
    with pytest.raises(Invalid):
        workflow.publish(change, world.manager)
    workflow.set_approvals(world.release.tree, head, 1)
    change.refresh_from_db()
    assert change.status == Status.APPROVED
    assert actions().count("set approvals") == 2
    assert actions().count("approvals needed") == 2


@pytest.mark.parametrize("number", [0, 4, -1])
def test_one_to_three(number: int) -> None:
    world = World()
    with pytest.raises(Invalid) as caught:
        workflow.set_approvals(world.release.tree, person("head", Role.ADMINISTRATOR), number)
    assert caught.value.field == "approvals"
    assert not ReviewRules.objects.exists()


@pytest.mark.parametrize("role", [r for r in Role if r != Role.ADMINISTRATOR])
def test_only_an_administrator_of_the_tree_changes_the_number(role: Role) -> None:
    world = World()
    foreign = person("foreign", Role.ADMINISTRATOR, tree="up")
    for somebody in (person("somebody", role), foreign):
        with pytest.raises(Forbidden):
            workflow.set_approvals(world.release.tree, somebody, 2)
    assert not ReviewRules.objects.exists()
