"""Every transition of a change request, allowed and forbidden, and who may make it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from policy_world import MACHINES, World, person

from policy import audit, edits
from policy.document import canonical, digest, from_json
from policy.errors import Conflict, Forbidden, Invalid, PolicyError
from policy.models import AuditEntry, ChangeRequest, Revision, Role
from policy.review import turns, workflow
from policy.review.workflow import TRANSITIONS
from policy.signals import bundle_required

pytestmark = pytest.mark.django_db
Status = ChangeRequest.Status
Action = Callable[[World, ChangeRequest], object]

ACTIONS: dict[str, Action] = {
    "submit": lambda w, c: workflow.submit(c, w.maintainer),
    "approve": lambda w, c: workflow.approve(c, w.reviewer, c.digest),
    "request-changes": lambda w, c: workflow.request_changes(c, w.reviewer, c.digest, "No."),
    "publish": lambda w, c: workflow.publish(c, w.manager),
    "withdraw": lambda w, c: workflow.withdraw(c, w.maintainer),
}


def in_state(world: World, status: str) -> ChangeRequest:
    if status == Status.DRAFT:
        return world.change()
    if status == Status.SUBMITTED:
        return world.in_review()
    if status == Status.CHANGES_REQUESTED:
        change = world.in_review()
        return workflow.request_changes(change, world.reviewer, change.digest, "Not yet.")
    if status == Status.APPROVED:
        return world.approved()
    if status == Status.WITHDRAWN:
        return workflow.withdraw(world.change(), world.maintainer)
    return ChangeRequest.objects.get(revision=world.published())


@pytest.mark.parametrize("action", TRANSITIONS)
@pytest.mark.parametrize("status", Status.values)
def test_each_action_in_each_state(action: str, status: str) -> None:
    world = World()
    change = in_state(world, status)
    allowed = status in TRANSITIONS[action].sources
    if allowed:
        ACTIONS[action](world, change)
    else:
        with pytest.raises(Invalid):
            ACTIONS[action](world, change)
    change.refresh_from_db()
    assert change.status == (TRANSITIONS[action].target if allowed else status)
    assert audit.verify() == []


@pytest.mark.parametrize("action", TRANSITIONS)
def test_no_action_without_its_role(action: str) -> None:
    world = World()
    source = sorted(TRANSITIONS[action].sources)[0]
    change = in_state(world, source)
    viewer = person("viewer", Role.VIEWER)
    foreign = person("foreign", *Role, tree="elsewhere")
    for outsider in (viewer, foreign):
        for name in ("maintainer", "reviewer", "manager"):
            setattr(world, name, outsider)
        with pytest.raises(Forbidden):
            ACTIONS[action](world, change)
        assert action not in workflow.available(change, outsider)
    change.refresh_from_db()
    assert change.status == source


@pytest.mark.parametrize("status", Status.values)
def test_available_offers_what_works(status: str) -> None:
    world = World()
    change = in_state(world, status)
    people = (world.maintainer, world.other, world.reviewer, world.manager)
    offered = {action for user in people for action in workflow.available(change, user)}
    possible = {name for name, t in TRANSITIONS.items() if status in t.sources}
    assert offered & set(TRANSITIONS) == possible
    assert ("edit" in offered) == change.is_open


def test_a_change_request_that_changes_nothing_is_not_submitted() -> None:
    world = World()
    world.published()
    with pytest.raises(Invalid, match="nothing"):
        workflow.submit(world.change(), world.maintainer)


def test_changes_are_requested_with_a_reason() -> None:
    world = World()
    change = world.in_review()
    with pytest.raises(Invalid) as caught:
        workflow.request_changes(change, world.reviewer, change.digest, "  ")
    assert caught.value.field == "text"


def test_an_objection_to_the_present_content_blocks_publishing() -> None:
    world = World()
    change = world.in_review()
    workflow.request_changes(change, world.other, change.digest, "Not so.")
    change = workflow.submit(change, world.maintainer)
    change = workflow.approve(change, world.reviewer, change.digest)
    assert [blocker.code for blocker in workflow.blockers(change)] == ["objection"]
    workflow.approve(change, world.other, change.digest)
    assert workflow.blockers(change) == ()


# --- Four eyes ------------------------------------------------------------------------------------


def test_the_author_cannot_approve_whatever_roles_he_holds() -> None:
    world = World()
    world.maintainer = person("root", Role.MAINTAINER, Role.REVIEWER, is_superuser=True)
    person_too = person("administrator", Role.ADMINISTRATOR)
    change = world.in_review()
    with pytest.raises(Forbidden, match="someone else"):
        workflow.approve(change, world.maintainer, change.digest)
    assert "approve" not in workflow.available(change, world.maintainer)
    assert "approve" in workflow.available(change, person_too)


def test_whoever_edited_cannot_approve_even_after_editing_back() -> None:
    world = World()
    change = world.in_review()
    before = change.digest
    change = world.edit(change, world.other, "7")
    change = world.edit(change, world.maintainer, "5")
    assert change.digest != before  # the entry is the downstream's own now, not its array's
    with pytest.raises(Forbidden, match="edited"):
        workflow.approve(change, world.other, change.digest)


def test_an_approval_counts_no_more_when_its_giver_edits_and_edits_back() -> None:
    world = World()
    change = world.change()
    change = workflow.submit(world.edit(change, world.maintainer, "6"), world.maintainer)
    workflow.approve(change, world.other, change.digest)
    world.edit(change, world.other, "7")
    change = world.edit(change, world.maintainer, "6")
    ChangeRequest.objects.filter(pk=change.pk).update(status=Status.APPROVED)
    change.refresh_from_db()
    assert [blocker.code for blocker in workflow.blockers(change)] == ["approval"]


def test_an_editor_who_changes_nothing_is_no_editor() -> None:
    world = World()
    change = world.in_review()
    edits.change_entry(change, world.other, change.lock_version, MACHINES[0], 0, "5")
    workflow.approve(change, world.other, change.digest)
    assert change.reviews.filter(reviewer=world.other, digest=change.digest).exists()


def test_the_author_does_not_request_changes_of_himself() -> None:
    world = World()
    world.maintainer = person("both", Role.MAINTAINER, Role.REVIEWER)
    change = world.in_review()
    with pytest.raises(Forbidden):
        workflow.request_changes(change, world.maintainer, change.digest, "Hm.")


def test_an_inactive_account_does_nothing() -> None:
    world = World()
    change = world.in_review()
    world.reviewer.is_active = False
    world.reviewer.save()
    with pytest.raises(Forbidden):
        workflow.approve(change, world.reviewer, change.digest)
    assert workflow.available(change, world.reviewer) == frozenset()
    assert turns.your_turns(world.reviewer) == []


# --- Digests --------------------------------------------------------------------------------------


def test_an_edit_voids_the_approval() -> None:
    world = World()
    change = world.edit(world.approved(), world.maintainer)
    assert change.status == Status.SUBMITTED
    assert workflow.approvals(change) == []
    with pytest.raises(Invalid):
        workflow.publish(change, world.manager)


def test_an_edit_of_the_title_alone_voids_nothing() -> None:
    world = World()
    change = world.approved()
    edits.edit_description(change, world.maintainer, change.lock_version, "Better words", "")
    change.refresh_from_db()
    assert (change.status, workflow.blockers(change)) == (Status.APPROVED, ())


@pytest.mark.parametrize("vote", ["approve", "request-changes"])
def test_a_vote_names_the_content_that_was_read(vote: str) -> None:
    world = World()
    seen = world.in_review()
    world.edit(ChangeRequest.objects.get(pk=seen.pk), world.maintainer)
    with pytest.raises(Conflict):
        ACTIONS[vote](world, seen)


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 10_001])
def test_a_comment_that_no_database_holds_is_refused(text: str) -> None:
    world = World()
    change = world.in_review()
    with pytest.raises(Invalid) as caught:
        workflow.comment(change, world.reviewer, text)
    assert caught.value.field == "text"
    with pytest.raises(Conflict):
        workflow.approve(change, world.reviewer, text)


# --- Publishing -----------------------------------------------------------------------------------


def test_a_revision_is_canonical_and_its_digest_holds() -> None:
    world = World()
    sent: list[Revision] = []
    receiver = lambda revision, **rest: sent.append(revision)  # noqa: E731
    bundle_required.connect(receiver)
    try:
        revision = world.published()
    finally:
        bundle_required.disconnect(receiver)
    document = json.loads(revision.content)
    assert canonical(document) == revision.content
    assert digest(document) == revision.digest
    assert from_json(document["policy"]).label == "down 1.2"
    derived = document["derived"]
    assert derived["properties"][MACHINES[1]][:2] == [
        {"driver": "foo", "property": "speed", "value": "5"},
        {"driver": "foo", "property": "speed", "value": "4"},
    ]
    assert [item["reviewer"] for item in derived["approvals"]] == ["reviewer"]
    assert derived["snapshot"] == revision.snapshot.digest
    assert sent == [revision]


def test_only_a_change_made_from_the_newest_revision_is_published() -> None:
    world = World()
    first, second = world.approved(), world.approved()
    assert workflow.publish(first, world.manager).number == 1
    assert [b.code for b in workflow.blockers(second)] == ["outdated"]
    with pytest.raises(Invalid, match="newest revision"):
        workflow.publish(second, world.manager)
    second.refresh_from_db()
    assert second.status == Status.APPROVED


def test_the_next_revision_follows_the_newest() -> None:
    world = World()
    first = world.published()
    revision = world.publish(world.edit(world.change(), world.maintainer))
    assert (revision.number, revision.parent) == (2, first)


def test_a_person_sees_whose_turn_it_is() -> None:
    world = World()
    change = world.change()

    def waiting() -> list[str]:
        people = (world.maintainer, world.other, world.reviewer, world.manager)
        return [user.username for user in people if turns.your_turns(user)]

    assert waiting() == ["maintainer"]
    change = workflow.submit(change, world.maintainer)
    assert waiting() == ["other", "reviewer"]
    workflow.request_changes(change, world.reviewer, change.digest, "No.")
    assert waiting() == ["maintainer"]
    change = workflow.submit(world.edit(change, world.other), world.maintainer)
    assert waiting() == ["reviewer"]
    change = workflow.approve(change, world.reviewer, change.digest)
    assert waiting() == ["manager"]
    workflow.publish(change, world.manager)
    assert waiting() == []


def test_every_step_is_recorded() -> None:
    world = World()
    world.published()
    actions = list(AuditEntry.objects.order_by("id").values_list("actor", "action"))
    assert actions[-4:] == [
        ("maintainer", "open"),
        ("maintainer", "submit"),
        ("reviewer", "approve"),
        ("manager", "publish"),
    ]


def test_a_refusal_writes_nothing() -> None:
    world = World()
    change = world.in_review()
    before = (AuditEntry.objects.count(), change.reviews.count())
    with pytest.raises(PolicyError):
        workflow.approve(change, world.maintainer, change.digest)
    change.refresh_from_db()
    assert change.status == Status.SUBMITTED
    assert (AuditEntry.objects.count(), change.reviews.count()) == before


def test_a_vote_that_names_no_content_is_none() -> None:
    world = World()
    change = world.in_review()
    with pytest.raises(Invalid, match="Name the digest"):
        workflow.approve(change, world.reviewer, "")
    with pytest.raises(Invalid, match="Name the digest"):
        workflow.request_changes(change, world.reviewer, "", "No.")
    change.refresh_from_db()
    assert change.status == ChangeRequest.Status.SUBMITTED


def test_who_has_approved_the_present_content_is_not_asked_again() -> None:
    world = World()
    change = world.approved()
    assert "approve" not in workflow.available(change, world.reviewer)
    assert "approve" in workflow.available(change, person("second", Role.REVIEWER))
    edited = world.edit(change, world.maintainer)
    assert "approve" in workflow.available(edited, world.reviewer)
