"""Whose turn it is: in every state, with why and since when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from policy_world import World, old_catalogue, person, release, run_trials

from machines.models import Release
from policy import edits
from policy.models import ChangeRequest, Role
from policy.review import discussion, reviewers, standing, turns, workflow

pytestmark = pytest.mark.django_db


def whose(change: ChangeRequest) -> list[tuple[str, list[str]]]:
    """Each turn's code and the people."""
    found = []
    for turn in turns.of_one(change):
        names = sorted(user.username for user, _ in turns.people_of([turn]).values())
        found.append((turn.code, names))
    return found


def waiting(world: World) -> list[tuple[str, str]]:
    people = (world.maintainer, world.other, world.reviewer, world.manager)
    return [(user.username, turn.code) for user in people for turn in turns.your_turns(user)]


def test_the_way_to_a_revision_passes_from_hand_to_hand() -> None:
    world = World()
    change = world.change()
    assert whose(change) == [("finish", ["maintainer"])]
    change = workflow.submit(change, world.maintainer)
    assert whose(change) == [("review", ["other", "reviewer"])]
    workflow.request_changes(change, world.reviewer, change.digest, "No.")
    assert whose(change) == [("correct", ["maintainer"])]
    change = workflow.submit(world.edit(change, world.other), world.maintainer)
    assert whose(change) == [("review", ["reviewer"])]
    workflow.approve(change, world.reviewer, change.digest)
    assert whose(change) == [("publish", ["manager"])]
    assert waiting(world) == [("manager", "publish")]
    workflow.publish(change, world.manager)
    assert whose(change) == []


def test_who_was_asked_by_name_comes_before_the_role() -> None:
    world = World()
    second = person("second", Role.REVIEWER)
    change = world.in_review()
    reviewers.request(change, world.maintainer, "second")
    assert whose(change) == [("review", ["second"])]
    assert turns.your_turns(world.reviewer) == []
    workflow.set_approvals(world.release.tree, person("head", Role.ADMINISTRATOR), 2)
    workflow.approve(change, second, change.digest)
    assert whose(change) == [("review", ["head", "other", "reviewer"])]


def test_whoever_was_asked_and_lost_the_role_is_not_waited_for() -> None:
    world = World()
    second = person("second", Role.REVIEWER)
    change = world.in_review()
    reviewers.request(change, world.maintainer, "second")
    second.memberships.all().delete()
    assert whose(change) == [("review", ["other", "reviewer"])]
    listed = turns.of_many([change])[change.pk]
    assert [turn.action for turn in listed] == ["review"]
    assert turns.your_turns(second) == []
    second.is_active = False
    assert turns.your_turns(second) == []


def test_an_objection_of_somebody_without_the_role_is_the_author_s_to_answer() -> None:
    world = World()
    change = world.in_review()
    workflow.request_changes(change, world.other, change.digest, "Not so.")
    change = workflow.submit(change, world.maintainer)
    change = workflow.approve(change, world.reviewer, change.digest)
    world.other.memberships.filter(role=Role.REVIEWER).delete()
    assert whose(change) == [("correct", ["maintainer"])]
    listed = turns.of_many([change])[change.pk]
    assert [turn.code for turn in listed] == ["correct"]


def test_an_edit_after_an_approval_gives_the_turn_back_to_the_reviewer() -> None:
    world = World()
    change = world.approved()
    before = timezone.now()
    change = world.edit(change, world.maintainer)
    (turn,) = turns.of_one(change)
    assert (turn.code, turn.since >= before) == ("review", True)
    assert "reviewer" in whose(change)[0][1]


def test_a_standing_objection_is_for_its_giver_to_take_back() -> None:
    world = World()
    change = world.in_review()
    workflow.request_changes(change, world.other, change.digest, "Not so.")
    change = workflow.submit(change, world.maintainer)
    workflow.approve(change, world.reviewer, change.digest)
    assert whose(change) == [("review", ["other"])]


def test_what_keeps_an_approved_change_from_publishing_is_its_authors_turn() -> None:
    world = World()
    first, second = world.approved(), world.approved()
    thread = discussion.ask(second, world.reviewer, "Why?").thread
    workflow.comment(second, world.reviewer, "")
    assert whose(second) == [("answer", ["maintainer"])]
    discussion.resolve(thread, world.maintainer)
    assert whose(second) == [("publish", ["manager"])]
    workflow.publish(first, world.manager)
    assert whose(second) == [("rebase", ["maintainer"])]


def test_trials_that_wait_or_differ_are_told_apart() -> None:
    world = World()
    change = edits.add_migration(
        world.change(), world.maintainer, 1, "down 1.2", "down 1.2", "refused"
    )
    change = workflow.submit(change, world.maintainer)
    change = workflow.approve(change, world.reviewer, change.digest)
    assert whose(change) == [("wait", [])]
    run_trials(change, world.maintainer)
    standing.note(change)
    assert whose(change) == [("mend", ["maintainer"])]


def test_the_longest_wait_stands_first() -> None:
    world = World()
    newer, older = world.change(), world.change()
    ChangeRequest.objects.filter(pk=older.pk).update(
        status_since=timezone.now() - timedelta(days=9)
    )
    assert [turn.change for turn in turns.your_turns(world.maintainer)] == [older, newer]


def test_any_number_of_changes_costs_the_same_queries(
    django_assert_max_num_queries: object,
) -> None:
    world = World()
    for _ in range(6):
        reviewers.request(world.in_review(), world.maintainer, "reviewer")
    with django_assert_max_num_queries(10):  # type: ignore[operator]
        assert len(turns.your_turns(world.reviewer)) == 6


def test_nobody_is_waited_for_who_is_gone() -> None:
    world = World()
    change = world.in_review()
    world.reviewer.is_active = False
    world.reviewer.save()
    assert whose(change) == [("review", ["other"])]
    assert turns.your_turns(world.reviewer) == []


def test_a_waiver_that_ends_over_night_makes_it_the_author_s_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.published()
    change = world.waived(world.edit(world.change(), world.maintainer))
    change = workflow.submit(change, world.maintainer)
    workflow.approve(change, world.reviewer, change.digest)
    assert whose(change) == [("publish", ["manager"])]
    assert standing.refresh() == 0
    later = timezone.now() + timedelta(days=400)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert standing.refresh() == 1
    assert whose(change) == [("mend", ["maintainer"])]
    assert standing.refresh() == 0


def test_what_is_published_or_imported_elsewhere_is_looked_at_anew() -> None:
    world = World()
    world.in_review()
    assert standing.refresh() == 0
    release("up", "3.0", old_catalogue(version="3.0.0"))
    assert (standing.refresh(), standing.refresh()) == (1, 0)
    Release.objects.filter(version="3.0").update(base=world.old)
    assert (standing.refresh(), standing.refresh()) == (1, 0)


def test_a_refresh_that_takes_too_long_goes_on_the_next_time() -> None:
    world = World()
    for _ in range(2):
        world.in_review()
    release("up", "3.0", old_catalogue(version="3.0.0"))
    assert [standing.refresh(seconds=0) for _ in range(3)] == [1, 1, 0]
